-- The year that an order of a yearly service pays for.
CREATE TABLE service_terms (
    id                 integer PRIMARY KEY AUTOINCREMENT,
    order_number       text NOT NULL UNIQUE,
    telecom_entity_id  integer,
    service_slug       text NOT NULL,
    renewal_due        text NOT NULL,
    status             text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'renewed', 'expired', 'cancelled')),
    last_notice_days   integer,
    renewal_order      text UNIQUE,
    created_at         text NOT NULL
);
CREATE INDEX ix_service_terms_active ON service_terms (renewal_due) WHERE status = 'active';

-- Yearly signed certifications of resellers (Line 303 of Form 499-A).
CREATE TABLE reseller_certifications (
    id                        integer PRIMARY KEY AUTOINCREMENT,
    filer_telecom_entity_id   integer NOT NULL REFERENCES telecom_entities (id),
    reseller_filer_id_499     text NOT NULL,
    reseller_legal_name       text NOT NULL,
    reseller_contact_name     text,
    reseller_contact_email    text,
    reseller_contact_phone    text,
    reseller_legal_address    text NOT NULL DEFAULT '{}',
    certification_date        text NOT NULL,
    certification_text        text,
    certification_minio_path  text,
    signer_name               text,
    signer_title              text,
    renewal_due               text NOT NULL,
    status                    text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'expired', 'revoked')),
    reporting_year_first      integer,
    notes                     text,
    last_notice_days          integer
);
CREATE INDEX ix_reseller_certifications_active ON reseller_certifications (renewal_due) WHERE status = 'active';

-- Partners who bring customers.
CREATE TABLE partners (
    code      text PRIMARY KEY,
    name      text NOT NULL,
    email     text NOT NULL,
    rate_bps  integer NOT NULL CHECK (rate_bps BETWEEN 0 AND 10000),
    active    integer NOT NULL DEFAULT 1
);
ALTER TABLE compliance_orders ADD COLUMN partner_code text;
CREATE INDEX ix_compliance_orders_partner ON compliance_orders (partner_code) WHERE partner_code IS NOT NULL;

-- The commission ledger: seq 0 is what an order earned, the others are adjustments after a statement.
CREATE TABLE commissions (
    id            integer PRIMARY KEY AUTOINCREMENT,
    order_number  text NOT NULL,
    seq           integer NOT NULL,
    partner_code  text NOT NULL REFERENCES partners (code),
    base_cents    integer NOT NULL,
    rate_bps      integer NOT NULL,
    amount_cents  integer NOT NULL,
    status        text NOT NULL CHECK (status IN ('pending', 'payable', 'reversed')),
    clears_on     text NOT NULL,
    payable_at    text,
    reason        text,
    statement     text,
    erpnext_name  text,
    mirrored_as   text,
    created_at    text NOT NULL,
    UNIQUE (order_number, seq),
    CHECK ((status = 'payable') = (payable_at IS NOT NULL))
);
CREATE INDEX ix_commissions_open ON commissions (status) WHERE statement IS NULL;

-- One per partner and month.
CREATE TABLE commission_statements (
    id            text PRIMARY KEY,
    partner_code  text NOT NULL REFERENCES partners (code),
    month         text NOT NULL,
    total_cents   integer NOT NULL,
    document_key  text,
    created_at    text NOT NULL,
    mailed_at     text,
    UNIQUE (partner_code, month)
);
