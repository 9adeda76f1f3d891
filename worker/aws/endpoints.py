"""Whether an endpoint is Amazon's own."""

from urllib.parse import urlsplit

#: What the hosts of Amazon's services end with, whichever of their endpoints is used.
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu")


def is_amazon(endpoint_url: str) -> bool:
    """Whether Amazon answers there, not an emulator or other software."""
    return (urlsplit(endpoint_url).hostname or "").endswith(_AMAZON)
