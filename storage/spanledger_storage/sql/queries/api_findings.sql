-- Which findings match the filters, the newest first, from one place on, and what was said of them?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the time first seen; after_ns, after_id:
--   that time (unix ns) and the id of the row to go on from, below zero: from the newest; filters (empty:
--   not filtered): trace, session, user, agent, model, tool, kind, code, severity, state (as it is now);
--   with_muted: 1: muted ones as well; page_rows; of what was said: said_ids, said_states, said_at_ns,
--   three lists of one length; muted (first 16 hex digits of the SHA-256 of patterns) and muted_at_ns.
-- Columns: as in findings without evidence, and state, is_muted, is_back as muting.py has them. One row
--   per finding.
-- Sort key used: (project, toStartOfHour(first_seen), ...).
WITH
    indexOf({said_ids:Array(String)}, finding_id) AS place,
    if(place = 0, 'open', {said_states:Array(String)}[place]) AS said,
    {said_at_ns:Array(Int64)}[place] AS said_at,
    said = 'resolved' AND toUnixTimestamp64Nano(last_seen) > said_at AS is_seen_again,
    indexOf({muted:Array(String)}, substring(lower(hex(SHA256(pattern))), 1, 16)) AS mute,
    {muted_at_ns:Array(Int64)}[mute] AS mute_at,
    mute > 0 AND NOT (place > 0 AND said IN ('open', 'acknowledged') AND said_at > mute_at) AS is_hidden
SELECT
    * EXCEPT (evidence, is_deleted, version),
    if(is_seen_again, 'open', said) AS state,
    CAST(is_hidden, 'Bool') AS muted,
    CAST(is_seen_again, 'Bool') AS back
FROM findings FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND first_seen >= toDateTime({from_s:Int64}, 'UTC')
    AND first_seen < toDateTime({to_s:Int64}, 'UTC')
    AND (
        {after_ns:Int64} < 0
        OR (toUnixTimestamp64Nano(first_seen), finding_id) < ({after_ns:Int64}, {after_id:String})
    )
    AND ({trace:String} = '' OR trace_id = {trace:String})
    AND ({session:String} = '' OR session_id = {session:String})
    AND ({user:String} = '' OR user_id = {user:String})
    AND ({agent:String} = '' OR agent_name = {agent:String})
    AND ({model:String} = '' OR model = {model:String})
    AND ({tool:String} = '' OR tool_name = {tool:String})
    AND ({kind:String} = '' OR kind = {kind:String})
    AND ({code:String} = '' OR code = {code:String})
    AND ({severity:String} = '' OR severity = {severity:String})
    AND ({state:String} = '' OR if(is_seen_again, 'open', said) = {state:String})
    AND ({with_muted:UInt8} = 1 OR NOT is_hidden)
ORDER BY first_seen DESC, finding_id DESC
LIMIT {page_rows:UInt64}
