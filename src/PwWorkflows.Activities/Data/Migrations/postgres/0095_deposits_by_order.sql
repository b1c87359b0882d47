-- An order's page tells what arrived at the bank for it.
CREATE INDEX ix_relay_deposits_order ON relay_deposits (matched_order_id) WHERE matched_order_id IS NOT NULL;
