"""HTTP: signatures, routing, administration and the answers of each protocol."""
