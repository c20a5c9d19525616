"""Why a figure changed between two periods."""
