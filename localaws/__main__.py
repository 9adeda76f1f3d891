"""The command of the local AWS emulator: `python -m localaws`."""

import argparse
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NoReturn

from localaws.errors import UsageError
from localaws.http.signatures import Credentials
from localaws.server import Endpoint, serve

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


_EPILOG = """\
example:
  python -m localaws --port 5005 --bucket recordings --workers 2

with LOCALAWS_ACCESS_KEY_ID and LOCALAWS_SECRET_ACCESS_KEY in the environment it answers only
requests that are signed with this key pair. Without them it answers everybody. Anybody may GET
/_localaws/health.
"""


class _Parser(argparse.ArgumentParser):
    """Prints one sentence for a wrong argument, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"localaws: {message}\n")


def _parser(epilog: str = _EPILOG) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m localaws",
        description="The local AWS emulator: S3 and Amazon Transcribe, with speech recognition.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, required=True, help="port to listen on; 0 chooses a free one")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--bucket", action="append", default=[], metavar="NAME", help="create it; repeatable")
    add(
        "--recogniser",
        default="pocketsphinx",
        metavar="pocketsphinx|fixed:SECONDS",
        help="fixed recognises nothing: it ends every job after SECONDS (default: %(default)s)",
    )
    add("--workers", type=int, metavar="N", help="recognition processes (default: one a core)")
    add(
        "--quota",
        default="",
        metavar="jobs=250,start=25,get=30,list=5,delete=5",
        help="jobs at once and calls a second; `off` lifts a limit (default: a new account's)",
    )
    add("--verbose", action="store_true", help="write a line to stderr for every request")
    return parser


def main(
    serve: Callable[..., AbstractContextManager[Endpoint]] = serve, epilog: str = _EPILOG
) -> int:
    """Serve until SIGTERM or SIGINT; 2 for a wrong argument."""
    parser = _parser(epilog)
    options = parser.parse_args()
    try:
        # A signal that comes during the start waits as well.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        # Loads moto, which lasts longer than all the rest.
        with serve(
            options.port,
            host=options.host,
            recogniser=options.recogniser,
            workers=options.workers,
            quota=options.quota,
            buckets=options.bucket,
            verbose=options.verbose,
            credentials=Credentials.from_environment(),
        ) as endpoint:
            print(f"localaws listening on {endpoint.url}", flush=True)  # noqa: T201
            signal.sigwait(_STOP_SIGNALS)
    except UsageError as error:
        parser.error(str(error))
    except (OSError, OverflowError) as error:
        parser.error(f"Cannot listen on {options.host}, port {options.port}: {_why(error)}.")
    return 0


def _why(error: Exception) -> str:
    """The system's reason, which cheroot puts at the end: `No socket … [Errno 98] Reason)`."""
    return getattr(error, "strerror", None) or str(error).rpartition("] ")[2].rstrip(".)")


if __name__ == "__main__":
    sys.exit(main())
