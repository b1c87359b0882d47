-- Crypto receipts on their way to dollars; one per transaction of an order.
CREATE TABLE crypto_payment_jobs (
    id                 integer PRIMARY KEY AUTOINCREMENT,
    order_number       text NOT NULL,
    crypto             text NOT NULL,
    txid               text NOT NULL,
    amount_crypto      text NOT NULL,
    amount_fiat_cents  integer NOT NULL,
    state              text NOT NULL DEFAULT 'received'
        CHECK (state IN ('received', 'manual', 'approved', 'offramp_requested', 'offramp_pending', 'settled', 'failed', 'cancelled')),
    note               text,
    received_at        text NOT NULL,
    updated_at         text NOT NULL,
    UNIQUE (order_number, crypto, txid)
);
CREATE INDEX ix_crypto_payment_jobs_received ON crypto_payment_jobs (id) WHERE state = 'received';

-- What the last look at the hot wallets would have swept, by coin.
CREATE TABLE cold_wallet_positions (
    crypto          text PRIMARY KEY,
    amount_crypto   text NOT NULL,
    fiat_cents      integer NOT NULL,
    float_cents     integer NOT NULL,
    excess_cents    integer NOT NULL,
    decision        text NOT NULL,
    note            text NOT NULL,
    looked_at       text NOT NULL
);
