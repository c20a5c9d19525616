-- What the jobs ask of attributes, events and links of every span, where there is something: made when a
-- row is stored, so that they need not read these again and again. Spans stored before have it, too.
ALTER TABLE spans
    ADD COLUMN IF NOT EXISTS hints Map(LowCardinality(String), String)
    MATERIALIZED mapFilter(
        (k, v) -> v != '',
        CAST(
            map(
                'task_score', attributes['spanledger.task.score'],
                'trajectory_id', attributes['spanledger.trajectory.id'],
                'workflow_id', attributes['temporalWorkflowID'],
                'step_kind', multiIf(
                    attributes['spanledger.kind'] IN ('pause', 'wait'), attributes['spanledger.kind'],
                    has(events.name, 'spanledger.pause')
                        OR arrayExists(
                            said -> match(said, '(Graph|Node)Interrupt|GraphBubbleUp|ApprovalRequired|CallDeferred|ToolApproval'),
                            [toString(error_type), attributes['error.type']]
                        )
                        OR arrayExists(
                            said -> match(said['exception.type'], '(Graph|Node)Interrupt|GraphBubbleUp|ApprovalRequired|CallDeferred|ToolApproval'),
                            events.attributes
                        ),
                    'interrupt',
                    ''
                ),
                'wait_for', attributes['spanledger.wait.for'],
                'linked', arrayStringConcat(
                    arrayFilter(
                        link -> length(link) = 48,
                        arrayMap((t, s) -> concat(t, s), links.trace_id, links.span_id)
                    ),
                    ' '
                ),
                'tool_choice', attributes['gen_ai.request.tool_choice'],
                'output_type', attributes['gen_ai.output.type'],
                'server', multiIf(
                    role != 'tool', '',
                    attributes['mcp.server.name'] != '', attributes['mcp.server.name'],
                    attributes['mcp.method.name'] != '', attributes['server.address'],
                    ''
                )
            ),
            'Map(LowCardinality(String), String)'
        )
    ) COMMENT 'of attributes, events and links, what jobs ask for, where there is something' CODEC(ZSTD(3))
