"""The entry of the command `transcribe`: it answers Ctrl-C while the program still loads."""

import sys
from contextlib import suppress

from producer.cli.signals import end_like_ctrl_c


def main() -> None:
    """Load the program, which lasts about half a second, and run it."""
    end_like_ctrl_c()
    try:
        from producer.cli.program import run  # noqa: PLC0415
    except KeyboardInterrupt:
        with suppress(OSError, AttributeError):  # stderr may be closed
            sys.stderr.write("transcribe: interrupted.\n")
        sys.exit(130)
    run()
