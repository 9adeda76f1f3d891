"""`python -m benchmarks.emulator`: the command of the emulator, with S3 in memory."""

import sys

from benchmarks.emulator.server import serving_in_loop
from benchmarks.emulator.services import in_memory
from localaws.__main__ import main

if __name__ == "__main__":
    sys.exit(main(backend=in_memory, server=serving_in_loop))
