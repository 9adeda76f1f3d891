"""Whether Redis lets us do all that we need, asked before the first thing is done.

A script that may not use one of its keys or commands stops in the middle, and what it wrote until
then stays. So nothing is begun before all of it is known to be allowed.
"""

from producer.backend import keys
from producer.backend.connection import Broker
from producer.contract.stages import CONTROL_LIST, QUEUES

#: Commands that are sent as they are; those of scripts are found in the scripts.
_COMMANDS = """
DEL EXISTS EXPIRE GET GETRANGE HDEL HEXISTS HGET HGETALL HKEYS HSET HVALS LLEN LPUSH LRANGE LREM
LTRIM PING SADD SET SETNX SMEMBERS STRLEN TIME XREAD XREVRANGE ZCARD ZCOUNT ZRANGE ZRANGEBYSCORE
ZREM ZREMRANGEBYSCORE ZREVRANGE ZSCORE
"""
DIRECT_COMMANDS = frozenset(_COMMANDS.split())
#: Keys that kombu uses where a worker answers to `celery inspect`.
_KOMBU_KEYS = (
    "_kombu.binding.celery.pidbox",
    "transcribe.celery.pidbox",
    "transcribe.reply.celery.pidbox",
)


def check_access(broker: Broker, *, worker: bool) -> None:
    """See that Redis is one that we can use, and that we may use all that we need.

    Args:
        broker: Redis, as the user who is to be checked.
        worker: whether it is for a worker, which takes messages and answers to remote control.

    Raises:
        BrokerUnusable: if not; its sentence says what to change.
        BrokerUnavailable: if Redis does not answer, or cannot work now.
    """
    commands = sorted({*broker.script_commands(), *DIRECT_COMMANDS})
    each_kind = [str(keys.ACCESS), *QUEUES, CONTROL_LIST, *(_KOMBU_KEYS if worker else ())]
    answers = broker.run("try_access", commands=commands, keys=each_kind)
    broker.judge(dict(zip(answers[::2], answers[1::2], strict=True)))
    # The two are in different slots, so a Cluster refuses this, also one that is a single node.
    broker.command("EXISTS", str(keys.ACCESS), QUEUES[0])
    if worker:
        broker.command("BRPOP", f"{QUEUES[0]}:access", "0.01")
        broker.subscribe_once("celery.pidbox")
