"""Messages as another language would write them."""

from __future__ import annotations

import base64
import json
import uuid

from producer.contract.stages import CONTROL_QUEUE, Stage


def raw_message(*arguments: object, task: str = Stage.SUBMIT.task, **changed: object) -> str:
    """A Celery message with these arguments; `changed` parts are taken as they are."""
    task_id = str(uuid.uuid4())
    body = json.dumps([list(arguments), {}, {}])
    message = {
        "body": base64.b64encode(body.encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "js", "task": task, "id": task_id, "root_id": task_id},
        "properties": {
            "correlation_id": task_id,
            "delivery_mode": 2,
            "delivery_tag": task_id,
            "delivery_info": {"exchange": "", "routing_key": CONTROL_QUEUE},
            "priority": 0,
            "body_encoding": "base64",
        },
    }
    return json.dumps(message | changed)
