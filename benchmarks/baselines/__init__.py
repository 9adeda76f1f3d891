"""What one would write without us: competent, and honest about what it costs."""
