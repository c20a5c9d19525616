"""What a completed task costs, with everything that was spent on the way to it."""
