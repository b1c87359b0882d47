-- Reminders: how many were sent since the last start, and when the last. Clearing the last date starts anew.
ALTER TABLE compliance_orders ADD COLUMN intake_reminder_count integer NOT NULL DEFAULT 0;
ALTER TABLE compliance_orders ADD COLUMN payment_reminder_last_at text;
ALTER TABLE compliance_orders ADD COLUMN payment_reminder_count integer NOT NULL DEFAULT 0;
-- The order that this one renews for another year.
ALTER TABLE compliance_orders ADD COLUMN renews_order_number text;
CREATE INDEX ix_compliance_orders_unpaid ON compliance_orders (payment_status) WHERE payment_status IN ('pending', 'failed', 'expired');

-- A traffic study over uploaded call records; it is worked on when its order is paid.
CREATE TABLE cdr_traffic_studies (
    id                 integer PRIMARY KEY AUTOINCREMENT,
    telecom_entity_id  integer NOT NULL REFERENCES telecom_entities (id),
    reporting_year     integer NOT NULL,
    order_number       text NOT NULL,
    created_at         text NOT NULL,
    unlocked_at        text,
    withdrawn_at       text,
    nudge_count        integer NOT NULL DEFAULT 0,
    nudge_last_at      text
);
CREATE INDEX ix_cdr_traffic_studies_locked ON cdr_traffic_studies (id) WHERE unlocked_at IS NULL AND withdrawn_at IS NULL;

-- Uploaded call detail records. The calls themselves are in the object store only.
CREATE TABLE cdr_files (
    id                  integer PRIMARY KEY AUTOINCREMENT,
    telecom_entity_id   integer NOT NULL REFERENCES telecom_entities (id),
    study_id            integer REFERENCES cdr_traffic_studies (id),
    bucket              text NOT NULL,
    object_key          text NOT NULL,
    first_call_on       text NOT NULL,
    last_call_on        text NOT NULL,
    records             integer NOT NULL CHECK (records >= 0),
    sha256              text NOT NULL,
    backs_form_year     integer,
    legal_hold          integer NOT NULL DEFAULT 0,
    legal_hold_reason   text,
    uploaded_at         text NOT NULL,
    deleting_at         text,
    deleted_at          text,
    certificate_key     text,
    certificate_sha256  text,
    UNIQUE (bucket, object_key),
    CHECK (first_call_on <= last_call_on),
    CHECK ((deleted_at IS NULL) = (certificate_key IS NULL))
);
CREATE INDEX ix_cdr_files_kept ON cdr_files (last_call_on) WHERE deleted_at IS NULL;
