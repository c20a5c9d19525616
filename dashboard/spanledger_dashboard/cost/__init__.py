"""The cost explorer."""
