"""The keeper: knows all accounts by heart, finds every unhealthy one in its block, earns on each."""
