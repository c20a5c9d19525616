-- Whom a span is for, beyond agent, session and user: docs/ledger.md names the attributes. Made of the
-- attributes when a row is stored, so that the jobs need not read all attributes of every span; spans
-- stored before have them, too. What a span says comes before what its resource says, and a name of
-- Spanledger's own before one that others use.
ALTER TABLE spans
    ADD COLUMN IF NOT EXISTS dimensions Map(LowCardinality(String), String)
    MATERIALIZED mapUpdate(
        mapUpdate(
            CAST(
                mapApply(
                    (k, v) -> (transform(k, ['customer.id', 'tenant.id'], ['customer', 'tenant'], toString(k)), v),
                    mapFilter((k, v) -> v != '' AND k IN ('team', 'cost_center', 'customer.id', 'tenant.id'), resource_attributes)
                ),
                'Map(String, String)'
            ),
            CAST(
                mapApply(
                    (k, v) -> (substring(toString(k), 22), v),
                    mapFilter((k, v) -> v != '' AND startsWith(k, 'spanledger.dimension.'), resource_attributes)
                ),
                'Map(String, String)'
            )
        ),
        mapUpdate(
            CAST(
                mapApply(
                    (k, v) -> (transform(k, ['customer.id', 'tenant.id'], ['customer', 'tenant'], toString(k)), v),
                    mapFilter((k, v) -> v != '' AND k IN ('team', 'cost_center', 'customer.id', 'tenant.id'), attributes)
                ),
                'Map(String, String)'
            ),
            CAST(
                mapApply(
                    (k, v) -> (substring(toString(k), 22), v),
                    mapFilter((k, v) -> v != '' AND startsWith(k, 'spanledger.dimension.'), attributes)
                ),
                'Map(String, String)'
            )
        )
    ) COMMENT 'team, customer … by name' CODEC(ZSTD(3))
