"""Drift: whether agents behave as they did, told from trajectories and not from single calls."""
