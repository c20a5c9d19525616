"""Golden trajectories: runs worth comparing others with, kept longer than their spans."""
