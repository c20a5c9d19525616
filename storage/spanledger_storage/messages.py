"""What the collector and deletion agree on about the table of messages."""

STORED_AGAIN_AFTER_S = 60
"""A message that comes again sooner than this need not be stored again.

Until then, spans may refer to a message without bringing it along, so a deletion may only remove
messages that were stored longer ago.
"""
