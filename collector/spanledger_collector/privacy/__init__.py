"""Privacy: what a project wants taken out of its telemetry is taken out before any disk sees it."""
