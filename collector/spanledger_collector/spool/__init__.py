"""Accepted requests on disk, from acknowledgement until they are stored."""
