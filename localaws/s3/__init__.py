"""S3, by moto."""
