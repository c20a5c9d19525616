"""The page on what a completed task costs."""
