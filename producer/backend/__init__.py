"""All that knows a Redis key: records, schedule, inbox, limits, and the scripts that move them."""
