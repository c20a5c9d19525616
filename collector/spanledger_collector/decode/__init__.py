"""From accepted requests to rows: pure, bytes in, columns out."""
