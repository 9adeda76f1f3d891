"""An AWS-compatible endpoint for one machine: S3 by moto, Amazon Transcribe by us.

`python -m localaws --port 5005` runs it; a test runs it in its own process:

    with localaws.serve(recogniser="fixed:1") as endpoint:
        boto3.client("transcribe", endpoint_url=endpoint.url, ...)

The names are imported on first use, because the recogniser's processes live in this package
too and must not load a web server to recognise speech.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localaws.faults import Fault
    from localaws.quotas import Quotas
    from localaws.server import Endpoint, serve
    from localaws.signatures import Credentials

__all__ = ["Credentials", "Endpoint", "Fault", "Quotas", "serve"]

_HOMES = {
    "Credentials": "signatures",
    "Endpoint": "server",
    "Fault": "faults",
    "Quotas": "quotas",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
