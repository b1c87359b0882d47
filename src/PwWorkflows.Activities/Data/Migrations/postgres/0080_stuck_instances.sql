-- Instances that can't go on without a person, so that those stuck alike are found and retried together. kind stands for the error without its numbers.
CREATE TABLE stuck_instances (
    instance_id     text PRIMARY KEY,
    definition_id   text NOT NULL,
    activity_id     text NOT NULL,
    kind            text NOT NULL,
    message         text NOT NULL,
    correlation_id  text,
    at              timestamptz NOT NULL,
    retried_at      timestamptz
);
CREATE INDEX ix_stuck_instances_alike ON stuck_instances (definition_id, activity_id, kind, instance_id);
CREATE INDEX ix_stuck_instances_at ON stuck_instances (at, instance_id);
INSERT INTO stuck_instances (instance_id, definition_id, activity_id, kind, message, correlation_id, at)
SELECT substr(marker, 18), service_slug, '', '', instructions, CASE WHEN order_number = substr(marker, 18) THEN NULL ELSE order_number END, created_at FROM admin_todos WHERE status = 'open' AND marker LIKE 'workflow-stopped:%';
CREATE INDEX ix_audit_log_subject ON audit_log (subject, id);
