-- Slots of the last minute: how many mails the sender has handed over, on all nodes together.
CREATE TABLE mail_slots (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms  bigint NOT NULL
);
CREATE INDEX ix_mail_slots_at ON mail_slots (at_ms);

-- Pages, mails, certificates and statements that jobs keep; the bytes are in the object store.
CREATE TABLE job_evidence (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job           text NOT NULL,
    source        text NOT NULL,
    bucket        text NOT NULL,
    object_key    text NOT NULL,
    sha256        text NOT NULL,
    bytes         bigint NOT NULL,
    content_type  text NOT NULL,
    note          text NOT NULL,
    kept_at       timestamptz NOT NULL,
    UNIQUE (job, sha256)
);
