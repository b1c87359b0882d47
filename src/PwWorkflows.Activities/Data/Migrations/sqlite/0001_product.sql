CREATE TABLE telecom_entities (
    id            integer PRIMARY KEY AUTOINCREMENT,
    legal_name    text NOT NULL,
    frn           text,
    filer_id_499  text,
    fields        text NOT NULL DEFAULT '{}',
    updated_at    text NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00:00')
);

CREATE TABLE compliance_orders (
    order_number                text PRIMARY KEY,
    batch_number                text,
    parent_order_number         text,
    service_slug                text NOT NULL,
    telecom_entity_id           integer REFERENCES telecom_entities (id),
    customer_name               text NOT NULL,
    customer_email              text NOT NULL,
    amount_cents                integer NOT NULL CHECK (amount_cents >= 0),
    currency                    text NOT NULL DEFAULT 'usd',
    payment_status              text NOT NULL DEFAULT 'pending'
        CHECK (payment_status IN ('pending', 'processing', 'paid', 'failed', 'expired', 'partially_refunded', 'refunded', 'disputed')),
    payment_method              text,
    payment_intent              text,
    checkout_session_id         text,
    stripe_subscription_id      text,
    paid_at                     text,
    refunded_cents              integer NOT NULL DEFAULT 0,
    fulfillment_status          text NOT NULL DEFAULT 'new',
    hold_reason                 text,
    erpnext_customer            text,
    erpnext_sales_order         text,
    portal_user_created         integer NOT NULL DEFAULT 0,
    intake_data                 text NOT NULL DEFAULT '{}',
    intake_data_validated       integer NOT NULL DEFAULT 0,
    intake_reminder_last_at     text,
    filing_status               text NOT NULL DEFAULT '{}',
    waive_deminimis_exemption   integer NOT NULL DEFAULT 0,
    waive_deminimis_reason      text,
    engagement_accepted_at      text,
    engagement_accepted_ip      text,
    engagement_version          text,
    engagement_esign_required   integer NOT NULL DEFAULT 0,
    engagement_esign_signed_at  text,
    engagement_letter_minio_key text,
    bundle_upsell_sent_at       text,
    created_at                  text NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00:00'),
    updated_at                  text NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00:00')
);
CREATE INDEX ix_compliance_orders_batch ON compliance_orders (batch_number) WHERE batch_number IS NOT NULL;
CREATE INDEX ix_compliance_orders_parent ON compliance_orders (parent_order_number) WHERE parent_order_number IS NOT NULL;
CREATE INDEX ix_compliance_orders_intent ON compliance_orders (payment_intent) WHERE payment_intent IS NOT NULL;
CREATE INDEX ix_compliance_orders_subscription ON compliance_orders (stripe_subscription_id) WHERE stripe_subscription_id IS NOT NULL;
CREATE INDEX ix_compliance_orders_sales_order ON compliance_orders (erpnext_sales_order) WHERE erpnext_sales_order IS NOT NULL;

-- One row per order and billing cycle ('' is the order itself): whoever inserts it carries the service out.
CREATE TABLE order_fulfilments (
    order_number  text NOT NULL,
    cycle         text NOT NULL,
    door          text NOT NULL,
    instance_id   text NOT NULL,
    begun_at      text NOT NULL,
    dispatched_at text,
    PRIMARY KEY (order_number, cycle)
);

CREATE TABLE order_timeline (
    id            integer PRIMARY KEY,
    order_number  text NOT NULL,
    at            text NOT NULL,
    event         text NOT NULL,
    message       text NOT NULL
);
CREATE INDEX ix_order_timeline_order ON order_timeline (order_number, id);

-- One row per movement of money and order; (reference, purpose) is what makes two events about one movement one.
CREATE TABLE order_payments (
    provider      text NOT NULL,
    reference     text NOT NULL,
    purpose       text NOT NULL,
    order_number  text NOT NULL,
    amount_cents  integer NOT NULL,
    currency      text NOT NULL,
    method        text,
    event_id      text NOT NULL,
    at            text NOT NULL,
    PRIMARY KEY (order_number, provider, reference, purpose)
);

-- Every request that came to a webhook, refused ones too (those have no event id). Signatures and secrets are not kept.
CREATE TABLE webhook_inbox (
    id            integer PRIMARY KEY,
    provider      text NOT NULL,
    event_id      text,
    event_type    text,
    received_at   text NOT NULL,
    status        text NOT NULL CHECK (status IN ('applied', 'ignored', 'duplicate', 'waiting', 'suspicious', 'rejected', 'gave_up')),
    reason        text,
    order_number  text,
    instance_id   text,
    headers       text NOT NULL DEFAULT '{}',
    body          blob,
    UNIQUE (provider, event_id)
);
CREATE INDEX ix_webhook_inbox_open ON webhook_inbox (status, received_at) WHERE status IN ('waiting', 'suspicious');

CREATE TABLE effects (
    key          text PRIMARY KEY,
    kind         text NOT NULL,
    status       text NOT NULL CHECK (status IN ('started', 'done', 'uncertain')),
    owner        text NOT NULL,
    lease_until  integer NOT NULL,
    attempts     integer NOT NULL DEFAULT 1,
    result       text,
    note         text,
    started_at   text NOT NULL,
    finished_at  text,
    CHECK ((status = 'done') = (result IS NOT NULL))
);
CREATE INDEX ix_effects_open ON effects (status, started_at) WHERE status <> 'done';

CREATE TABLE mails (
    key           text PRIMARY KEY,
    order_number  text,
    template      text NOT NULL,
    addressed_to  text NOT NULL,
    sent_to       text NOT NULL,
    subject       text NOT NULL,
    message_id    text NOT NULL,
    body_text     text NOT NULL,
    body_html     text NOT NULL,
    status        text NOT NULL CHECK (status IN ('sending', 'sent', 'failed')),
    note          text,
    at            text NOT NULL
);
CREATE INDEX ix_mails_order ON mails (order_number) WHERE order_number IS NOT NULL;

CREATE TABLE admin_todos (
    id            integer PRIMARY KEY AUTOINCREMENT,
    order_number  text NOT NULL,
    service_slug  text NOT NULL,
    marker        text NOT NULL,
    instructions  text NOT NULL,
    sales_order   text,
    status        text NOT NULL CHECK (status IN ('open', 'closed')),
    erpnext_name  text,
    last_error    text,
    created_at    text NOT NULL,
    closed_at     text
);
CREATE UNIQUE INDEX ux_admin_todos_open ON admin_todos (order_number, marker) WHERE status = 'open';
CREATE INDEX ix_admin_todos_unsent ON admin_todos (id) WHERE status = 'open' AND erpnext_name IS NULL;

CREATE TABLE admin_users (
    id             integer PRIMARY KEY AUTOINCREMENT,
    username       text NOT NULL UNIQUE,
    password_hash  text NOT NULL,
    display_name   text NOT NULL DEFAULT '',
    email          text NOT NULL DEFAULT '',
    roles          text NOT NULL DEFAULT 'admin',
    active         integer NOT NULL DEFAULT 1,
    created_at     text NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00:00'),
    last_login_at  text
);

CREATE TABLE audit_log (
    id             integer PRIMARY KEY,
    at             text NOT NULL,
    actor          text NOT NULL,
    action         text NOT NULL,
    subject        text NOT NULL,
    detail         text NOT NULL,
    previous_hash  text NOT NULL,
    hash           text NOT NULL UNIQUE
);
