"""The commands on prices."""
