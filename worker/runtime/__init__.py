"""What runs the stages: the dispatcher, leases kept alive, isolation, shutdown, health.

What asks Redis raises BrokerUnavailable, as `producer.backend` has it.
"""
