-- A search finds instances by how their name begins; most have none.
CREATE INDEX workflow_instances_name ON workflow_instances (lower(name)) WHERE name IS NOT NULL;
