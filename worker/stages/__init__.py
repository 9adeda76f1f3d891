"""What each stage does to a job, one file a stage, with what only stages need."""
