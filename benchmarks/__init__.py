"""What backs the figures in the README and docs: `make bench`."""
