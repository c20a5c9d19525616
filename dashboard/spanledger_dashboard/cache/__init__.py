"""The page on prompt caches."""
