"""The process of one job: `python -m localaws.recognition.program TASK`, with the task as JSON.

It begins with a fresh decoder, and can be killed without harm to any other job. It prints
{"recognition": ...} or {"failed": reason}.
"""

import ctypes
import json
import os
import signal
import sys

from localaws.errors import AudioError
from localaws.recognition.recogniser import Recogniser
from localaws.transcribe.speech import Task

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Recognise the speech of one recording."""
    if sys.platform == "linux":  # elsewhere it ends by itself
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.nice(5)  # the endpoint must answer while every core recognises
    try:
        answer = {"recognition": Recogniser().recognise(Task(**json.loads(sys.argv[1]))).to_json()}
    except AudioError as error:
        answer = {"failed": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
