"""GPU and inference metrics of every dialect to rows of one meaning."""
