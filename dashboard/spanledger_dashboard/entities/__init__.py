"""Lists and details of sessions, users, agents, models and tools."""
