"""How an application tells its server to drop a connection."""


class Disconnect(Exception):
    """Raised by the application: drop the connection without an answer, after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"after {seconds} s")
        self.seconds = seconds
