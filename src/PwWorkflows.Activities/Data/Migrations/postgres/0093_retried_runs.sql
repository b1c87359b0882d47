-- A run that failed and whose instance is retried goes on as the same run: how often, since when, and what it had failed of before.
ALTER TABLE schedule_runs ADD COLUMN retries integer NOT NULL DEFAULT 0;
ALTER TABLE schedule_runs ADD COLUMN retried_at timestamptz;
ALTER TABLE schedule_runs ADD COLUMN failed_at timestamptz;
ALTER TABLE schedule_runs ADD COLUMN failure text;
-- Runs of a schedule are stuck until a later one has done their work.
ALTER TABLE stuck_instances ADD COLUMN schedule_id text;
UPDATE stuck_instances SET schedule_id = (SELECT r.schedule_id FROM schedule_runs r WHERE r.id = stuck_instances.instance_id AND NOT r.dry_run);
CREATE INDEX ix_stuck_instances_schedule ON stuck_instances (schedule_id, definition_id) WHERE schedule_id IS NOT NULL;
