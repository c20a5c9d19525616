"""Attribute names of our own, where the OpenTelemetry semantic conventions have none."""

TASK_ID = "spanledger.task.id"
"""Identifies the task a span works on; several traces may share one."""

TASK_OUTCOME = "spanledger.task.outcome"
"""How the task ended: ``completed``, ``failed``, ``escalated`` or ``abandoned``."""
