-- What the console lists and searches. Names are searched by how they begin.
CREATE INDEX ix_compliance_orders_placed ON compliance_orders (created_at, order_number);
CREATE INDEX ix_compliance_orders_status ON compliance_orders (fulfillment_status, created_at, order_number);
CREATE INDEX ix_compliance_orders_entity ON compliance_orders (telecom_entity_id, created_at) WHERE telecom_entity_id IS NOT NULL;
CREATE INDEX ix_compliance_orders_customer ON compliance_orders (lower(customer_name) COLLATE "C", order_number);
CREATE INDEX ix_telecom_entities_frn ON telecom_entities (frn) WHERE frn IS NOT NULL;
CREATE INDEX ix_telecom_entities_filer ON telecom_entities (filer_id_499) WHERE filer_id_499 IS NOT NULL;
-- Nearly all events are applied, and those are found by walking from the newest; an index of them would only slow the webhook down.
CREATE INDEX ix_webhook_inbox_status ON webhook_inbox (status, id) WHERE status <> 'applied';
CREATE INDEX ix_webhook_inbox_order ON webhook_inbox (order_number) WHERE status <> 'applied' AND order_number IS NOT NULL;
CREATE INDEX ix_filings_filed ON filings (filed_at);
CREATE INDEX ix_filings_confirmation ON filings (confirmation_number);
CREATE INDEX ix_admin_todos_open ON admin_todos (id) WHERE status = 'open';
CREATE INDEX ix_audit_log_actor ON audit_log (actor, id);
CREATE INDEX ix_audit_log_action ON audit_log (action, id);
