"""Amazon Transcribe: its operations, jobs and documents."""
