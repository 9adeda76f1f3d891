"""What each stage does to a job, one file a stage, with what only stages need.

What asks AWS raises Transient or Permanent, as `worker.aws.errors` classifies its errors. What
moves a job, or fails it, raises LeaseLost if the job is not this worker's to move any more.
"""
