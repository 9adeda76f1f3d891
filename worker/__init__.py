"""The workers: Celery tasks that take each job through upload, start, poll, collect and cleanup."""
