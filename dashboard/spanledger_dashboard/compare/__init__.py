"""Two trajectories side by side."""
