"""What runs the stages: the dispatcher, leases kept alive, isolation, shutdown, health."""
