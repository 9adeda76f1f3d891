"""`python -m localaws`: serve until SIGTERM, SIGINT, or the death of the parent if so asked."""

import argparse
import os
import select
import signal
import sys
from typing import NoReturn

from localaws.errors import UsageError
from localaws.faults import CALL_KINDS, JOB_KINDS, Fault
from localaws.http.signatures import Credentials
from localaws.quotas import Quotas
from localaws.server import serve


def _kinds(kinds: dict[str, str]) -> str:
    return "\n".join(f"  {kind:<17} {what}" for kind, what in kinds.items())


_EPILOG = f"""\
examples:
  python -m localaws --port 5005 --bucket recordings --workers 2
  curl -d '[{{"kind": "error500", "operation": "PutObject", "times": 2}}]' \\
      http://127.0.0.1:5005/_localaws/faults

misbehaviour while it runs: POST a JSON list of faults to /_localaws/faults, GET what is left of
them, DELETE them all. A fault has a `kind`, and may have
  operation         of S3 or Transcribe, with * and ? as in file names (default: all)
  times             how often it strikes (default: always)
  match             a regular expression, found in the job's name or the object's key
  rate              the share of calls that it strikes, 0 to 1 (default: 1)
  seconds           how long a timeout lasts, or until a broken result is mended (default: 0, never)
  reason            the FailureReason of `fail`

kinds of calls that go wrong:
{_kinds(CALL_KINDS)}

kinds of jobs that go wrong:
{_kinds(JOB_KINDS)}

with LOCALAWS_ACCESS_KEY_ID and LOCALAWS_SECRET_ACCESS_KEY in the environment only requests that are
signed with that key pair are answered, and /_localaws/ (but health) wants it by HTTP Basic, as in
curl -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY". Without them all who reach the port may call.

GET /_localaws/jobs tells every job ever accepted, how often each operation was called and refused,
and the most calls of each in any one second; GET /_localaws/account the same without the jobs.
"""


class _Parser(argparse.ArgumentParser):
    """One sentence for a wrong argument, without the usage in front of it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"localaws: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m localaws",
        description="S3 and Amazon Transcribe for one machine, with real speech recognition.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, required=True, help="port to listen on; 0 takes a free one")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--bucket", action="append", default=[], metavar="NAME", help="create it; repeatable")
    add(
        "--recogniser",
        default="pocketsphinx",
        metavar="pocketsphinx|fixed:SECONDS|random:MEAN[:SEED]",
        help="fixed hears nothing and ends every job after so long; random after an exponentially "
        "distributed time of that mean, drawn from the job's name and the seed, and clipped to "
        "1/25 and 160/25 of the mean, as in random:25 to 1 and 160 s (default: %(default)s)",
    )
    add("--workers", type=int, metavar="N", help="recognition processes (default: one a core)")
    add(
        "--quota",
        default="",
        metavar="jobs=250,start=25,get=30,list=5,delete=5",
        help="jobs at once and calls a second; `off` lifts one (default: a new account's)",
    )
    add(
        "--fail",
        action="append",
        default=[],
        metavar="REGEX=REASON",
        help="jobs whose name has a match end FAILED with this reason; repeatable",
    )
    add(
        "--throttle",
        type=float,
        default=0.0,
        metavar="RATE",
        help="share of calls to Transcribe, 0 to 1, that are refused as too many",
    )
    add(
        "--light",
        action="store_true",
        help="S3 in our own memory in place of moto's and one thread for all connections, for "
        "thousands of jobs with fixed or random: a fraction of the CPU, no other service than S3 "
        "and Transcribe, and of S3 what uploads, results and clean-ups need",
    )
    add("--exit-with-parent", action="store_true", help="stop when the parent process ends")
    add("--verbose", action="store_true", help="write a line to stderr for every request")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Serve; returns the exit code: 0, or 2 for an argument that makes no sense."""
    # First of all, so that a parent which dies while we start is noticed.
    parent = os.getppid()
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        quota = Quotas.parse(options.quota)
        faults = _faults(options.fail, options.throttle)
        stop = _stop_signals()
        # Only now is the server loaded, and with it moto, which takes longer than all the rest.
        with serve(
            options.port,
            host=options.host,
            recogniser=options.recogniser,
            workers=options.workers,
            quota=quota,
            buckets=options.bucket,
            faults=faults,
            light=options.light,
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
    return getattr(error, "strerror", None) or str(error).rstrip(".")


def _faults(failures: list[str], throttle: float) -> list[Fault]:
    """The faults that --fail and --throttle stand for. Raises UsageError."""
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
    """A file descriptor that gets something to read with SIGTERM or SIGINT.

    A handler that sets a threading.Event can meet itself: the event's lock may be held by what
    the signal interrupted.
    """
    stop, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return stop


def _wait(stop: int, parent: int | None) -> None:
    """Return on a signal, or soon after the parent has ended."""
    # Asking for the parent's number twice a second works everywhere. Linux could send a signal
    # at its death, but sends it already when the thread ends that started us.
    while not select.select([stop], [], [], 0.5 if parent else None)[0]:
        if parent and os.getppid() != parent:
            return


if __name__ == "__main__":
    sys.exit(main())
