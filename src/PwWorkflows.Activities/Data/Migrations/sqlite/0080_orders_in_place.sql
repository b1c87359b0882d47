-- A payment changes its order's row in place when no index has to follow: the intent is found through the payments, and the few unpaid orders by walking.
ALTER TABLE order_payments ADD COLUMN payment_intent text;
UPDATE order_payments SET payment_intent = (SELECT o.payment_intent FROM compliance_orders o WHERE o.order_number = order_payments.order_number) WHERE provider = 'stripe' AND purpose = 'paid';
-- Orders that were paid before payments were kept.
INSERT INTO order_payments (provider, reference, purpose, order_number, amount_cents, currency, method, event_id, at, payment_intent)
SELECT 'stripe', COALESCE(o.checkout_session_id, o.payment_intent), 'paid', o.order_number, o.amount_cents, o.currency, o.payment_method, '', COALESCE(o.paid_at, o.created_at), o.payment_intent
FROM compliance_orders o
WHERE o.payment_intent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM order_payments p WHERE p.order_number = o.order_number AND p.payment_intent = o.payment_intent);
CREATE INDEX ix_order_payments_intent ON order_payments (payment_intent) WHERE payment_intent IS NOT NULL;
DROP INDEX ix_compliance_orders_intent;
DROP INDEX ix_compliance_orders_unpaid;
