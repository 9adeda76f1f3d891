"""Records anew after a loss of Redis, from what AWS still knows.

What asks AWS raises Transient or Permanent, as `worker.aws.errors` classifies its errors.
"""
