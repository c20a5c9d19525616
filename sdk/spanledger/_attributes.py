"""Attribute names of our own, where the OpenTelemetry semantic conventions have none."""

TASK_ID = "spanledger.task.id"
"""Identifies the task a span works on; several traces may share one."""

TASK_OUTCOME = "spanledger.task.outcome"
"""How the task ended: ``completed``, ``failed``, ``escalated`` or ``abandoned``."""

TASK_SCORE = "spanledger.task.score"
"""How good the outcome was, from 0 to 1."""

DIMENSION_PREFIX = "spanledger.dimension."
"""Before the name of a dimension of your own, such as ``team`` or ``customer``."""

TOOL_COST_USD = "spanledger.tool.cost_usd"
"""What a call of a paid tool cost, in US dollars, as text: a double is not exact."""

TOOL_CALL_SIGNATURE = "spanledger.tool.call_signature"
"""Equal where the same tool is called with the same arguments; an integer of 63 bits."""

TOOL_RESULT_SIGNATURE = "spanledger.tool.result_signature"
"""Equal where a tool answered the same; an integer of 63 bits."""

TOOL_ERROR_EVIDENCE = "spanledger.tool.error_evidence"
"""How the result of a tool tells of an error: ``declared``, ``payload`` or ``suspected``."""

WEB_SEARCHES = "spanledger.web_searches"
"""Searches of the web that the provider made for a call of a model, and charges for."""

INPUT_HASHES = "spanledger.input.hashes"
"""Hashes of the messages of a call, in order, where the messages themselves stay at home."""

OUTPUT_HASHES = "spanledger.output.hashes"
"""Hashes of the messages of an answer."""

PENDING = "spanledger.pending"
"""Set on the copy of a span that is sent when it starts; the ended span replaces it."""

STEP_KIND = "spanledger.kind"
"""What a span is that OpenTelemetry has no operation for: ``task``, ``pause`` or ``wait``."""

TRAJECTORY_ID = "spanledger.trajectory.id"
"""The trace in which a resumed trajectory began; 32 hex digits."""

WAIT_FOR = "spanledger.wait.for"
"""Whom a paused agent waits for, such as ``human``."""

WAIT_REASON = "spanledger.wait.reason"
"""Why an agent paused."""

STREAM_END = "spanledger.stream.end"
"""How a stream ended: ``completed``, ``abandoned`` by its reader, or ``broken``."""

STREAM_CHUNKS = "spanledger.stream.chunks"
"""Number of chunks that arrived."""

STREAM_GAP_MEAN_S = "spanledger.stream.gap_mean_s"
"""Mean time between two chunks in seconds: the latency between tokens."""

STREAM_GAP_MAX_S = "spanledger.stream.gap_max_s"
"""Longest time between two chunks in seconds."""
