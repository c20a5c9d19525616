"""What a project and its agents will have spent at the end of the month."""
