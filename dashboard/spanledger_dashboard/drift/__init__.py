"""The Drift page: whether agents behave as they did before."""
