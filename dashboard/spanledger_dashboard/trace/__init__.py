"""One trace: its tree, its views, its spans."""
