"""The wire: servers, routing, signatures, answers as each protocol writes them."""
