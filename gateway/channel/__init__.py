"""Channel models: pure, seeded impairments of packets."""
