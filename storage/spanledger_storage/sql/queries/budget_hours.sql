-- What did the scopes of budgets spend in these hours, and which calls of a list are among that?
-- Parameters: project; hours (UTC start hours, UNIX seconds); from_s: entries before it are left
--   out (UNIX seconds; 0: none); kinds and names, two lists of one length: pair i is one scope
--   (project and an empty name; team, agent, session, user, task, model; tag and key=value), or a
--   call that is looked for (span and trace id with span id; response and the provider's id).
-- Result: one row per hour (UNIX seconds), kind and name with entries: cost_usd (of what is
--   priced), tokens (input and output), llm_calls (an entry known from metrics stands for as many
--   calls as its attempts say, at least one); entries: of a call, for each of its entries' scopes
--   its kind and name, whether the entry has a price, and whether it has a usage. One scan answers
--   both questions, so that a call that is found is always part of the sums.
-- Relies on the sort key of ledger (project, start hour, ...).
WITH
    if(usage_source = 'metric', greatest(ifNull(attempts, 1), 1), 1) AS stands_for,
    arrayConcat(
        [
            ('project', ''),
            ('team', dimensions['team']),
            ('agent', toString(agent_name)),
            ('session', session_id),
            ('user', user_id),
            ('task', task_id),
            ('model', toString(model))
        ],
        if(request_model = model, [], [('model', toString(request_model))]),
        arrayMap((key, value) -> ('tag', concat(key, '=', value)),
            arrayMap(key -> toString(key), mapKeys(dimensions)), mapValues(dimensions))
    ) AS own,
    arrayConcat(
        own,
        [('response', response_id)],
        arrayMap(key -> ('span', concat(key.1, key.2)), source_spans)
    ) AS scopes
SELECT
    toInt64(toUnixTimestamp(toStartOfHour(time))) AS hour,
    scope.1 AS kind,
    scope.2 AS name,
    sum(ifNull(ledger.total_cost_usd, 0)) AS cost_usd,
    sum(ifNull(ledger.input_tokens, 0) + ifNull(ledger.output_tokens, 0)) AS tokens,
    sumIf(stands_for, ledger.kind IN ('llm', 'embedding')) AS llm_calls,
    groupUniqArrayArray(arrayMap(
        one -> (
            one.1,
            one.2,
            ledger.total_cost_usd IS NOT NULL,
            coalesce(ledger.input_tokens, ledger.output_tokens) IS NOT NULL
        ),
        counted
    )) AS entries
FROM ledger FINAL
ARRAY JOIN
    scopes AS scope,
    arrayMap(one -> if(one.1 IN ('response', 'span'), own, []), scopes) AS counted
WHERE project = {project:String}
    AND is_deleted = 0
    AND toStartOfHour(time) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND scope IN (SELECT arrayJoin(arrayZip({kinds:Array(String)}, {names:Array(String)})))
GROUP BY hour, kind, name
ORDER BY hour, kind, name
