"""How long jobs of `fixed` and `random` run.

`random` derives the time from the job's name: jobs of the same names last as long in every run and
in any order.
"""

import hashlib
import math
import threading
from collections.abc import Callable

from localaws.errors import UsageError

#: The shortest and the longest job, as shares of the mean: 1 s and 160 s where it is 25 s.
MIN_SHARE, MAX_SHARE = 1 / 25, 160 / 25

#: Seconds that the job of this name runs.
Delay = Callable[[str], float]


def fixed(seconds: float) -> Delay:
    return lambda _name: seconds


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
    """Read `fixed:SECONDS` or `random:MEAN[:SEED]`. Raises UsageError."""
    kind, _, argument = text.partition(":")
    number, _, seed = argument.partition(":")
    try:
        seconds = float(number)
    except ValueError:
        seconds = -1.0
    if kind == "fixed" and 0 <= seconds < threading.TIMEOUT_MAX and not seed:
        return fixed(seconds)
    if kind == "random" and 0 < seconds < threading.TIMEOUT_MAX / MAX_SHARE:
        return exponential(seconds, seed)
    raise UsageError(
        f"The recogniser {text!r} is unknown: use pocketsphinx, fixed:SECONDS as in fixed:2.5, or "
        "random:MEAN[:SEED] as in random:25."
    )
