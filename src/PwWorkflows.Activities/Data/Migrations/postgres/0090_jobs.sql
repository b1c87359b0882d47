-- How often a row of the commission ledger was written to ERPNext: each writing is a change of its own, also when the row is as it was once before.
ALTER TABLE commissions ADD COLUMN mirrors integer NOT NULL DEFAULT 0;

-- An absence is believed when a later run sees it too; an order is at once.
ALTER TABLE rmd_removals ADD COLUMN confirmed_at timestamptz;
UPDATE rmd_removals SET confirmed_at = found_at;
