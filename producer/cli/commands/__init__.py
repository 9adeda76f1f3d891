"""The commands of `transcribe`, one file a family."""
