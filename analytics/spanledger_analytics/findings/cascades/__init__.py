"""Errors of tools and models that spread over agents and traces: one finding for each incident."""
