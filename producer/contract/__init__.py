"""What producers and workers agree on: requests, jobs, stages, names of files and tasks."""
