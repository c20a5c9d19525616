-- Which names can the trace list be filtered by, and how late do its traces end?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the start.
-- Columns: agents, models, services, environments, outcomes: sorted lists without empty names, at
-- most 200 each; last_end_s: unix, 0 without traces. One row.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    arraySort(arrayFilter(x -> x != '', groupUniqArrayArray(200)(arrayPushBack(trace.agents, agent_name)))) AS agents,
    arraySort(arrayFilter(x -> x != '', groupUniqArrayArray(200)(trace.models))) AS models,
    arraySort(arrayFilter(x -> x != '', groupUniqArray(200)(service_name))) AS services,
    arraySort(arrayFilter(x -> x != '', groupUniqArray(200)(environment))) AS environments,
    arraySort(arrayFilter(x -> x != '', groupUniqArray(200)(outcome))) AS outcomes,
    toUnixTimestamp(max(end_time)) AS last_end_s
FROM traces AS trace FINAL
WHERE project = {project:String}
    AND is_deleted = 0
    AND start_time >= toDateTime({from_s:Int64}, 'UTC')
    AND start_time < toDateTime({to_s:Int64}, 'UTC')
