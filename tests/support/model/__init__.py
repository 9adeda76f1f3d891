"""A small model of the schedule: what its commands promise, whatever they do in Redis for it."""
