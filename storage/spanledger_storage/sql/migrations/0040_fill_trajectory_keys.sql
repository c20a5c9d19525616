-- blocking: yes
-- The keys of the spans so far: a trace that comes to one of them finds the others. A set, so running
-- it again changes nothing.
INSERT INTO trajectory_keys (project, kind, key, trace_id)
SELECT DISTINCT project, tie.1, tie.2, trace_id
FROM
(
    SELECT
        project,
        trace_id,
        arrayJoin(arrayConcat(
            if(session_id = '', [], [('conversation', lower(hex(substring(SHA256(session_id), 1, 16))))]),
            multiIf(
                attributes['spanledger.trajectory.id'] = '', [],
                match(attributes['spanledger.trajectory.id'], '^[0-9a-f]{32}$'),
                [('explicit', attributes['spanledger.trajectory.id'])],
                [('explicit', lower(hex(substring(SHA256(attributes['spanledger.trajectory.id']), 1, 16))))]
            ),
            if(attributes['temporalWorkflowID'] = '', [], [('workflow', lower(hex(substring(SHA256(attributes['temporalWorkflowID']), 1, 16))))]),
            arrayMap(t -> ('link', t), arrayDistinct(arrayFilter(t -> t != trace_id, links.trace_id)))
        )) AS tie
    FROM spans
)
SETTINGS max_partitions_per_insert_block = 0
