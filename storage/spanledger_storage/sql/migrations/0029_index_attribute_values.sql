-- "Which traces have order.id = 4711?" reads the maps of every span in its hours without this: 3.6 s
-- for two million spans, 0.1 s with it. It takes 1.3 bytes and half a microsecond per span. Spans
-- stored before are found all the same, only slower, until a merge brings them in.
ALTER TABLE spans
    ADD INDEX IF NOT EXISTS attribute_values mapValues(attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS resource_values mapValues(resource_attributes) TYPE bloom_filter(0.01) GRANULARITY 1
