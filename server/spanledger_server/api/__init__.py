"""The HTTP API for programs: reads only."""
