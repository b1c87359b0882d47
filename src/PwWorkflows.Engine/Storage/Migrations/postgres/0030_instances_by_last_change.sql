-- Studio lists instances by when they were last executed.
CREATE INDEX workflow_instances_updated ON workflow_instances (updated_at, id);
