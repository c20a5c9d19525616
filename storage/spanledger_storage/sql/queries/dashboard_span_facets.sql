-- Which tools and attributes can the trace list be filtered by?
-- Parameters: project; from_s, to_s: unix seconds, half open, of the spans' start.
-- Columns: tools that ran in the last three days of the period, at most 200; attributes: keys seen on
-- some thousands of these spans and on their resources, at most 500. Sorted lists. One row.
-- Sort key used: (project, toStartOfHour(start_time)).
SELECT
    (
        SELECT arraySort(groupUniqArray(200)(tool_name))
        FROM spans
        WHERE project = {project:String}
            AND toStartOfHour(start_time) >= toStartOfHour(toDateTime(greatest({from_s:Int64}, {to_s:Int64} - 259200), 'UTC'))
            AND start_time >= toDateTime(greatest({from_s:Int64}, {to_s:Int64} - 259200), 'UTC')
            AND start_time < toDateTime({to_s:Int64}, 'UTC')
            AND tool_name != ''
    ) AS tools,
    (
        SELECT arraySort(groupUniqArrayArray(500)(found))
        FROM (
            SELECT arrayConcat(mapKeys(spans.attributes), mapKeys(resource_attributes)) AS found
            FROM spans
            WHERE project = {project:String}
                AND toStartOfHour(start_time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
                AND start_time >= toDateTime({from_s:Int64}, 'UTC')
                AND start_time < toDateTime({to_s:Int64}, 'UTC')
            LIMIT 5000
        )
    ) AS attributes
