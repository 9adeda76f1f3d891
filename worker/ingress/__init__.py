"""Messages from other languages, on their way in: none is trusted."""
