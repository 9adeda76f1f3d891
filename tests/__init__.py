"""Tests, mirroring the rooms of the code; what they share is in `support`."""
