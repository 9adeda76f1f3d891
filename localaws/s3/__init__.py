"""S3: by moto, or in memory."""
