-- One row per filing, a chain: each manifest names the hash of the one before it.
CREATE TABLE filings (
    id                        integer PRIMARY KEY,
    sequence                  integer NOT NULL UNIQUE CHECK (sequence > 0),
    order_number              text NOT NULL,
    slug                      text NOT NULL,
    form                      text NOT NULL,
    year                      integer NOT NULL,
    filer_id                  text NOT NULL,
    status                    text NOT NULL DEFAULT 'filed' CHECK (status IN ('filed')),
    confirmation_number       text NOT NULL,
    reference                 text NOT NULL,
    submitted_at              text NOT NULL,
    values_sha256             text NOT NULL,
    page_map_version          text NOT NULL,
    bucket                    text NOT NULL,
    manifest_key              text NOT NULL,
    manifest                  text NOT NULL,
    manifest_sha256           text NOT NULL UNIQUE,
    previous_manifest_sha256  text NOT NULL UNIQUE,
    filed_at                  text NOT NULL,
    UNIQUE (order_number, form, year)
);
CREATE INDEX ix_filings_filer ON filings (filer_id, year);

-- The end of the chain, kept apart so that a cut tail shows.
CREATE TABLE filing_chain (
    id               integer PRIMARY KEY CHECK (id = 1),
    sequence         integer NOT NULL,
    manifest_sha256  text NOT NULL
);
INSERT INTO filing_chain (id, sequence, manifest_sha256) VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

-- An officer's word for exactly these values of an order's form.
CREATE TABLE officer_authorizations (
    order_number   text NOT NULL,
    values_sha256  text NOT NULL,
    officer_name   text NOT NULL,
    officer_title  text NOT NULL,
    phone          text NOT NULL,
    email          text NOT NULL,
    authorized_at  text NOT NULL,
    recorded_by    text NOT NULL,
    recorded_at    text NOT NULL,
    PRIMARY KEY (order_number, values_sha256)
);

-- Orders that wait for a portal session; fingerprint is the hash of the session that no longer works, '' when there was none.
CREATE TABLE usac_session_waits (
    order_number       text PRIMARY KEY,
    telecom_entity_id  integer NOT NULL,
    fingerprint        text NOT NULL,
    since              text NOT NULL
);
