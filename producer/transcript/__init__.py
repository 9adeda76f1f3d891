"""Transcribe's JSON -> a `Transcript` -> every format."""
