"""The command of the local AWS emulator: `python -m localaws`."""

import argparse
import signal
import sys
from typing import NoReturn

from localaws.errors import UsageError
from localaws.faults import CALL_KINDS, JOB_KINDS
from localaws.http.server import HttpServer, serving
from localaws.http.signatures import Credentials
from localaws.quotas import Quotas
from localaws.server import Backend, moto, serve

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _kinds(kinds: dict[str, str]) -> str:
    return "\n".join(f"  {kind:<17} {what}" for kind, what in kinds.items())


_EPILOG = f"""\
examples:
  python -m localaws --port 5005 --bucket recordings --workers 2
  curl -d '[{{"kind": "error500", "operation": "PutObject", "times": 2}}]' \\
      http://127.0.0.1:5005/_localaws/faults

faults while it runs: POST a JSON list of them to /_localaws/faults, GET those that remain, DELETE
all, which ends timeouts and jobs that are stuck. A fault has a `kind`, and may have
  operation         of S3 or Transcribe, with * and ? as in file names (default: all)
  times             how often it happens (default: always)
  match             a regular expression, found in the job's name or the object's key
  rate              the share of calls that it fails, 0 to 1 (default: 1)
  seconds           how long a timeout lasts, or until the true result appears (default: 0, never)
  reason            the FailureReason of `fail`

faults of calls:
{_kinds(CALL_KINDS)}

faults of jobs:
{_kinds(JOB_KINDS)}

with LOCALAWS_ACCESS_KEY_ID and LOCALAWS_SECRET_ACCESS_KEY in the environment it answers only
requests that are signed with this key pair, and /_localaws/ (except health) wants the pair by HTTP
Basic, as in curl -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY". Without them it answers everybody.

GET /_localaws/jobs returns every job ever accepted, the calls and refusals of each operation, and
its most calls in any one second; GET /_localaws/account the same without the jobs.
"""


class _Parser(argparse.ArgumentParser):
    """Prints one sentence for a wrong argument, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"localaws: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m localaws",
        description="The local AWS emulator: S3 and Amazon Transcribe, with speech recognition.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, required=True, help="port to listen on; 0 chooses a free one")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--bucket", action="append", default=[], metavar="NAME", help="create it; repeatable")
    add(
        "--recogniser",
        default="pocketsphinx",
        metavar="pocketsphinx|fixed:SECONDS|random:MEAN[:SEED]",
        help="fixed and random recognise nothing: fixed ends every job after SECONDS, random after "
        "an exponentially distributed time of this MEAN, which follows from the job's name and "
        "SEED and is at least 1/25 and at most 160/25 of MEAN (default: %(default)s)",
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
    arguments: list[str] | None = None, backend: Backend = moto, server: HttpServer = serving
) -> int:
    """Serve until SIGTERM or SIGINT; 2 for a wrong argument."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        quota = Quotas.parse(options.quota)
        # A signal that comes during the start waits as well.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        # Loads moto, which lasts longer than all the rest.
        with serve(
            options.port,
            host=options.host,
            recogniser=options.recogniser,
            workers=options.workers,
            quota=quota,
            buckets=options.bucket,
            backend=backend,
            server=server,
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
