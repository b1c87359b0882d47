-- A full refund or a dispute that waits for its order: the payment intent whose money went back. Nothing that intent paid may be filed.
ALTER TABLE webhook_inbox ADD COLUMN takes_back TEXT;
CREATE INDEX ix_webhook_inbox_takes_back ON webhook_inbox (takes_back) WHERE status = 'waiting' AND takes_back IS NOT NULL;
-- Finds whom a checkout session paid.
CREATE INDEX ix_order_payments_reference ON order_payments (provider, reference, purpose);
-- When the government fee of an order (paid by its CG- order) came in.
ALTER TABLE compliance_orders ADD COLUMN gov_fee_paid_at TEXT;
