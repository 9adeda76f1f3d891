"""All that knows a Redis key: records, schedule, inbox, limits, and the scripts that move them.

Whatever asks Redis raises BrokerUnavailable if Redis does not answer, or refuses.
"""
