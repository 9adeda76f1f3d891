"""What calls AWS. It knows boto3 and our errors, nothing of jobs or Redis."""
