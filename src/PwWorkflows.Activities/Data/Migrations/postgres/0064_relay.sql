-- How far a mailbox folder has been read. Another UIDVALIDITY makes all UIDs void.
CREATE TABLE imap_positions (
    account       text NOT NULL,
    folder        text NOT NULL,
    uid_validity  bigint NOT NULL,
    last_uid      bigint NOT NULL,
    read_at       timestamptz NOT NULL,
    PRIMARY KEY (account, folder)
);

-- Every mail that was read, once. 'other' is not from the bank; 'new' waits to be noted.
CREATE TABLE relay_mails (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account       text NOT NULL,
    folder        text NOT NULL,
    uid_validity  bigint NOT NULL,
    uid           bigint NOT NULL,
    message_id    text NOT NULL,
    sha256        text NOT NULL,
    from_address  text NOT NULL,
    subject       text NOT NULL,
    received_at   timestamptz NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('new', 'deposit', 'card', 'unknown', 'doubtful', 'other')),
    reason        text,
    evidence_key  text,
    read_at       timestamptz NOT NULL,
    noted_at      timestamptz,
    UNIQUE (account, folder, uid_validity, uid),
    UNIQUE (account, message_id, sha256)
);
CREATE INDEX ix_relay_mails_new ON relay_mails (id) WHERE kind = 'new';

CREATE TABLE relay_deposits (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mail_id           bigint NOT NULL UNIQUE REFERENCES relay_mails (id),
    amount_cents      bigint NOT NULL CHECK (amount_cents > 0),
    received_at       timestamptz NOT NULL,
    counterparty      text NOT NULL,
    memo              text,
    source_kind       text NOT NULL CHECK (source_kind IN ('offramp_bridge', 'stripe_payout', 'paypal_payout', 'other')),
    matched_order_id  text,
    matched_by        text,
    matched_at        timestamptz
);

CREATE TABLE relay_card_charges (
    mail_id       bigint PRIMARY KEY REFERENCES relay_mails (id),
    amount_cents  bigint NOT NULL CHECK (amount_cents > 0),
    merchant      text NOT NULL,
    card_last4    text,
    charged_at    timestamptz NOT NULL
);
