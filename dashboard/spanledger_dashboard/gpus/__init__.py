"""The page on GPUs and inference workers."""
