"""Put transcription requests on the queue and read what comes of them.

>>> from producer import Client
>>> with Client() as client:
...     job = client.submit("interview.m4a", language="en-US")
...     client.wait(job.id)
...     print(client.result(job.id).text)
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from producer.api import *  # noqa: F403
    from producer.api import __all__ as __all__
else:

    def __getattr__(name: str) -> object:
        """Load the names of `producer.api` at the first use of one.

        So `transcribe` can answer Ctrl-C before it loads them, which lasts half a second.
        """
        import producer.api  # noqa: F401, PLC0415

        return getattr(sys.modules["producer.api"], name)
