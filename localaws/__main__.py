"""The command of the local AWS emulator: `python -m localaws`."""

import argparse
import os
import select
import signal
import sys
from typing import NoReturn

from localaws.errors import UsageError
from localaws.faults import CALL_KINDS, JOB_KINDS, Fault
from localaws.http.server import HttpServer, serving
from localaws.http.signatures import Credentials
from localaws.quotas import Quotas
from localaws.server import Backend, moto, serve


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
    add(
        "--fail",
        action="append",
        default=[],
        metavar="REGEX=REASON",
        help="jobs whose name matches end FAILED with this reason; repeatable",
    )
    add(
        "--throttle",
        type=float,
        default=0.0,
        metavar="RATE",
        help="share of Transcribe's calls, 0 to 1, to refuse as too many",
    )
    add("--exit-with-parent", action="store_true", help="stop when the parent process ends")
    add("--verbose", action="store_true", help="write a line to stderr for every request")
    return parser


def main(
    arguments: list[str] | None = None, backend: Backend = moto, server: HttpServer = serving
) -> int:
    """Serve until SIGTERM, SIGINT or, if so asked, the parent's death; 2 for a wrong argument."""
    # First, so that the emulator notices a parent that dies during the start.
    parent = os.getppid()
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        quota = Quotas.parse(options.quota)
        faults = _faults(options.fail, options.throttle)
        stop = _stop_signals()
        # Loads moto, which lasts longer than all the rest.
        with serve(
            options.port,
            host=options.host,
            recogniser=options.recogniser,
            workers=options.workers,
            quota=quota,
            buckets=options.bucket,
            faults=faults,
            backend=backend,
            server=server,
            verbose=options.verbose,
            credentials=Credentials.from_environment(),
        ) as endpoint:
            print(f"localaws listening on {endpoint.url}", flush=True)  # noqa: T201
            _wait(stop, parent if options.exit_with_parent else None)
    except UsageError as error:
        parser.error(str(error))
    except (OSError, OverflowError) as error:
        parser.error(f"Cannot listen on {options.host}, port {options.port}: {_why(error)}.")
    return 0


def _why(error: Exception) -> str:
    """The system's reason, which cheroot puts at the end: `No socket … [Errno 98] Reason)`."""
    return getattr(error, "strerror", None) or str(error).rpartition("] ")[2].rstrip(".)")


def _faults(failures: list[str], throttle: float) -> list[Fault]:
    """The faults of --fail and --throttle. Raises UsageError."""
    faults = []
    for failure in failures:
        match, separator, reason = failure.partition("=")
        if not separator:
            raise UsageError(f"--fail {failure!r} is not of the form REGEX=REASON.")
        faults.append(Fault("fail", match=match, reason=reason))
    if throttle:
        faults.append(Fault("throttle", operation="*TranscriptionJob*", rate=throttle))
    return faults


def _stop_signals() -> int:
    """A file descriptor that becomes readable at SIGTERM or SIGINT.

    A handler must not set a threading.Event: the signal may interrupt code that has its lock.
    """
    stop, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return stop


def _wait(stop: int, parent: int | None) -> None:
    """Return at a signal, or soon after the parent's death."""
    # Asking for the parent's number twice a second works everywhere. Linux could send a signal
    # at its death, but sends it when the thread ends that started this process.
    while not select.select([stop], [], [], 0.5 if parent else None)[0]:
        if parent and os.getppid() != parent:
            return


if __name__ == "__main__":
    sys.exit(main())
