"""`python -m tests.emulator`: the command of the emulator, with faults and counts."""

import sys

from localaws.__main__ import main
from tests.emulator.faults import CALL_KINDS, JOB_KINDS
from tests.emulator.server import serve


def _kinds(kinds: dict[str, str]) -> str:
    return "\n".join(f"  {kind:<17} {what}" for kind, what in kinds.items())


EPILOG = f"""\
examples:
  python -m tests.emulator --port 5005 --bucket recordings --workers 2
  curl -d '[{{"kind": "error500", "operation": "PutObject", "times": 2}}]' \\
      http://127.0.0.1:5005/_localaws/faults

faults while it runs: POST a JSON list of them to /_localaws/faults, GET those that remain, DELETE
all, which ends timeouts and jobs that are stuck; PUT a list in the stead of all, so that nothing
happens in between. A fault has a `kind`, and may have
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

if __name__ == "__main__":
    sys.exit(main(serve, EPILOG))
