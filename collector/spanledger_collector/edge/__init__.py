"""The protocol edge: OTLP over HTTP and gRPC, from bytes on a socket to a parsed request."""
