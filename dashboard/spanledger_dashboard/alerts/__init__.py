"""The Incidents, Rules, Silences and Channels pages: what asks for somebody, and who is told."""
