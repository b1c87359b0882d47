-- Whoever started a workflow by hand can't approve what it asks two people for, whomever it names as who asks.
ALTER TABLE approvals ADD COLUMN started_by TEXT;
