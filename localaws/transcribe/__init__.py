"""Amazon Transcribe: its operations, its jobs and what it writes."""
