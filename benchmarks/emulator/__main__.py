"""`python -m benchmarks.emulator`: the command of the emulator, with S3 in memory."""

import sys
from functools import partial

from benchmarks import delays
from benchmarks.emulator.server import serving_in_loop
from benchmarks.emulator.services import in_memory
from localaws.__main__ import main
from tests.emulator.server import serve

if __name__ == "__main__":
    sys.exit(main(partial(serve, backend=in_memory, server=serving_in_loop, delay=delays.parse)))
