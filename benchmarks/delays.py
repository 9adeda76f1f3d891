"""How long jobs of the recogniser `random` run: exponentially distributed, by chance.

It derives the time from the job's name: jobs of the same names last as long in every run and
in any order.
"""

import hashlib
import math
import threading

from localaws.errors import UsageError
from localaws.recognition.fixed import Delay

#: The shortest and the longest job, as shares of the mean: 1 s and 160 s where it is 25 s.
MIN_SHARE, MAX_SHARE = 1 / 25, 160 / 25


def exponential(mean: float, seed: str = "") -> Delay:
    """Exponentially distributed with this mean, clipped to MIN_SHARE and MAX_SHARE of it.

    Clipping moves the mean by less than 0.1 %.
    """

    def delay(name: str) -> float:
        digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
        share = (int.from_bytes(digest[:7]) + 0.5) / 2**56  # strictly between 0 and 1
        return min(max(-mean * math.log(share), MIN_SHARE * mean), MAX_SHARE * mean)

    return delay


def parse(text: str) -> Delay:
    """Read `random:MEAN[:SEED]`. Raises UsageError."""
    kind, _, argument = text.partition(":")
    number, _, seed = argument.partition(":")
    try:
        mean = float(number)
    except ValueError:
        mean = -1.0
    if kind != "random" or not 0 < mean < threading.TIMEOUT_MAX / MAX_SHARE:
        raise UsageError(
            f"The recogniser {text!r} is unknown: use random:MEAN[:SEED] as in random:25."
        )
    return exponential(mean, seed)
