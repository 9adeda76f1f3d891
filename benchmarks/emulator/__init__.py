"""The local AWS emulator with S3 in memory: at a fraction of the CPU, for benchmarks."""
