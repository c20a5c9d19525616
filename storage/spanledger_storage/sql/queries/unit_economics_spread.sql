-- How are the costs of completed tasks distributed?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start of tasks; silent_before_s:
-- a task without an outcome and without a span since then is abandoned (0: none is); dimension: name of the one that tells owners;
-- agent, version, user, model, owner: values that are let through, empty: all; 
-- per_decade: bars between one dollar and ten.
-- Columns: place (of the bar: floor of per_decade times the decimal logarithm of its dollars), tasks,
-- cost_usd (of what is priced). One row per bar with tasks; tasks that cost nothing have place -1000.
-- What a task is, and its state: in the view tasks_between.
-- Sort key used: (project, toStartOfHour(start_time)) of traces.
SELECT
    if(cost > 0, toInt32(floor({per_decade:UInt8} * log10(toFloat64(cost)) + 1e-9)), -1000) AS place,
    count() AS tasks,
    sum(cost) AS cost_usd
FROM tasks_between(
    project = {project:String},
    from_s = {from_s:Int64},
    to_s = {to_s:Int64},
    silent_before_s = {silent_before_s:Int64},
    dimension = {dimension:String}
) AS task
WHERE state = 'completed'
    AND (empty({agent:Array(String)}) OR has({agent:Array(String)}, task.agent_name))
    AND (empty({version:Array(String)}) OR has({version:Array(String)}, task.agent_version))
    AND (empty({user:Array(String)}) OR has({user:Array(String)}, task.user_id))
    AND (empty({model:Array(String)}) OR has({model:Array(String)}, task.model))
    AND (empty({owner:Array(String)}) OR has({owner:Array(String)}, task.owner))
GROUP BY place
ORDER BY place
