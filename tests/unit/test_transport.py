"""That kombu still has the private methods that our transport overrides, and nothing else moved.

What each is for dies in tests/acceptance/: `_q_for_pri` and what kombu gets of an answer to BRPOP
in test_messages.py and test_hostile_messages.py, `_receive_one` in test_remote_control.py.
"""

from __future__ import annotations

import inspect
import re

from kombu.transport import redis, virtual

from worker.ingress import transport

OVERRIDDEN = {
    "Channel._q_for_pri": ["self", "queue", "pri"],
    "Channel._receive_one": ["self", "c"],
}


def test_kombu_has_each_private_method_that_we_override() -> None:
    ours = {
        f"{each.__name__}.{name}": list(inspect.signature(getattr(each.__base__, name)).parameters)
        for each in (transport.Channel, transport.Transport, transport.UnackedInMemory)
        for name in vars(each)
        if name.startswith("_") and not name.startswith("__")
    }
    assert ours == OVERRIDDEN


def test_kombu_reads_messages_by_brpop_of_its_client() -> None:
    source = inspect.getsource(redis.Channel._brpop_read)
    assert re.search(r"self\.client\.parse_response\(self\.client\.connection,\s*'BRPOP'", source)


def test_kombu_calls_them() -> None:
    assert "_q_for_pri(" in inspect.getsource(redis.Channel._brpop_start)
    assert "_receive_one(" in inspect.getsource(redis.Channel._receive)
    assert issubclass(redis.QoS, virtual.QoS)
