"""The local AWS emulator as tests and benchmarks need it: it counts calls, and fails on request."""
