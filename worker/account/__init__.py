"""Slots and rates of the AWS account, shared by the fleet."""
