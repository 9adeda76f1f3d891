"""What a person names on the command line, as requests."""
