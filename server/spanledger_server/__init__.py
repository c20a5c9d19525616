"""Command line, configuration and supervision: the composition root, imported by nobody."""
