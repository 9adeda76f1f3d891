"""The workers: Celery tasks for each job's upload, start, poll, collect and cleanup."""
