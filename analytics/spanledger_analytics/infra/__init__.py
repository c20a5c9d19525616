"""Infrastructure that is paid by the hour, shared over the traces that used it."""
