-- What do tasks cost that were completed, with all that was spent on others, by one column over time?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start of tasks; silent_before_s:
-- a task without an outcome and without a span since then is abandoned (0: none is); dimension: name of the one that tells owners;
-- agent, version, user, model, owner: values that are let through, empty: all; 
-- starts: of the buckets, unix seconds, ascending; entity: what tells groups apart (agent_name,
-- agent_version, workflow_name, environment, user_id, owner, model, route; project: nothing does);
-- page_size: rows, those first that cost most.
-- Columns: bucket_s (its start, unix), name, groups (how many rows there are), tasks, completed,
-- failed, abandoned, unended (without an outcome); attempts (at tasks that ended); dollars of tasks
-- that ended, of what is priced: own_inference, own_tools, own_gpu, own_infra, own_other (of the
-- attempts that completed a task), retries (other attempts at these tasks), failed_usd,
-- abandoned_usd, ended_usd (all of them); of completed tasks alone, without what others cost: p50,
-- p95, worst (NULL: none); unended_usd; unpriced_calls, calls_without_usage (of tasks that ended:
-- what is not in the dollars). One row per bucket and name.
-- What a task is, and its state: in the view tasks_between.
-- Sort key used: (project, toStartOfHour(start_time)) of traces.
SELECT
    roundDown(toUInt32(toUnixTimestamp(started)), {starts:Array(UInt32)}) AS bucket_s,
    {entity:Identifier} AS name,
    count() OVER () AS groups,
    count() AS tasks,
    countIf(state = 'completed') AS completed,
    countIf(state = 'failed') AS failed,
    countIf(state = 'abandoned') AS abandoned,
    countIf(state = '') AS unended,
    sumIf(task.attempts, state != '') AS attempts,
    sumIf(own.1, state = 'completed') AS own_inference,
    sumIf(own.2, state = 'completed') AS own_tools,
    sumIf(own.3, state = 'completed') AS own_gpu,
    sumIf(own.4, state = 'completed') AS own_infra,
    sumIf(own.5 - own.1 - own.2 - own.3 - own.4, state = 'completed') AS own_other,
    sumIf(task.cost - own.5, state = 'completed') AS retries,
    sumIf(task.cost, state = 'failed') AS failed_usd,
    sumIf(task.cost, state = 'abandoned') AS abandoned_usd,
    sumIf(task.cost, state != '') AS ended_usd,
    if(completed > 0, quantileExactIf(0.5)(task.cost, state = 'completed'), NULL) AS p50,
    if(completed > 0, quantileExactIf(0.95)(task.cost, state = 'completed'), NULL) AS p95,
    if(completed > 0, maxIf(task.cost, state = 'completed'), NULL) AS worst,
    sumIf(task.cost, state = '') AS unended_usd,
    sumIf(task.unpriced, state != '') AS unpriced_calls,
    sumIf(task.unknown, state != '') AS calls_without_usage
FROM tasks_between(
    project = {project:String},
    from_s = {from_s:Int64},
    to_s = {to_s:Int64},
    silent_before_s = {silent_before_s:Int64},
    dimension = {dimension:String}
) AS task
WHERE (empty({agent:Array(String)}) OR has({agent:Array(String)}, task.agent_name))
    AND (empty({version:Array(String)}) OR has({version:Array(String)}, task.agent_version))
    AND (empty({user:Array(String)}) OR has({user:Array(String)}, task.user_id))
    AND (empty({model:Array(String)}) OR has({model:Array(String)}, task.model))
    AND (empty({owner:Array(String)}) OR has({owner:Array(String)}, task.owner))
GROUP BY bucket_s, name
ORDER BY ended_usd DESC, tasks DESC, name, bucket_s
LIMIT {page_size:UInt32}
