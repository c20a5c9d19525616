-- Which instance of a service a span comes from, without reading all that its resource says.
ALTER TABLE spans
    ADD COLUMN IF NOT EXISTS service_instance String
    MATERIALIZED resource_attributes['service.instance.id']
    COMMENT 'empty: nobody numbers instances' CODEC(ZSTD(1))
