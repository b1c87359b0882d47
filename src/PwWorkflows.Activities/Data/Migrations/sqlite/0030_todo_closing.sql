-- A ToDo that is closed here stays to be closed in ERPNext until ERPNext has taken it.
ALTER TABLE admin_todos ADD COLUMN erpnext_closed integer NOT NULL DEFAULT 0;
CREATE INDEX ix_admin_todos_unclosed ON admin_todos (id) WHERE status = 'closed' AND erpnext_name IS NOT NULL AND NOT erpnext_closed;
