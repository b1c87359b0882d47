-- One row per request for approval: one execution of Pw.RequestApproval. The row decides how it ends; the workflow reads it when it is woken.
CREATE TABLE approvals (
    id                    text PRIMARY KEY,
    instance_id           text NOT NULL,
    activity_instance_id  text NOT NULL,
    definition_id         text NOT NULL,
    correlation_id        text,
    order_number          text,
    subject               text,
    title                 text NOT NULL,
    details               text NOT NULL,
    if_approved           text NOT NULL,
    if_rejected           text NOT NULL,
    approver_role         text NOT NULL,
    approvers             text NOT NULL,
    people                integer NOT NULL CHECK (people IN (1, 2)),
    amount_cents          bigint CHECK (amount_cents >= 0),
    currency              text,
    requested_by          text,
    requested_at          text NOT NULL,
    expires_at            text NOT NULL,
    remind_every_seconds  bigint CHECK (remind_every_seconds > 0),
    next_reminder_at      text,
    reminders_sent        integer NOT NULL DEFAULT 0,
    escalate_at           text,
    escalate_to           text NOT NULL,
    escalated_at          text,
    status                text NOT NULL CHECK (status IN ('waiting', 'approved', 'rejected', 'expired', 'withdrawn')),
    decided_at            text,
    announced_at          text,
    send_after            text,
    delivered_at          text,
    UNIQUE (instance_id, activity_instance_id),
    CHECK ((status = 'waiting') = (decided_at IS NULL)),
    CHECK ((amount_cents IS NULL) = (currency IS NULL))
);
CREATE INDEX ix_approvals_waiting ON approvals (requested_at) WHERE status = 'waiting';
CREATE INDEX ix_approvals_requested ON approvals (requested_at);
CREATE INDEX ix_approvals_undelivered ON approvals (send_after) WHERE status <> 'waiting' AND delivered_at IS NULL;
CREATE INDEX ix_approvals_order ON approvals (order_number) WHERE order_number IS NOT NULL;
CREATE INDEX ix_approvals_subject ON approvals (subject) WHERE subject IS NOT NULL;

-- One word per person and request.
CREATE TABLE approval_decisions (
    approval_id  text NOT NULL REFERENCES approvals (id),
    username     text NOT NULL,
    decision     text NOT NULL CHECK (decision IN ('approved', 'rejected')),
    note         text NOT NULL,
    via          text NOT NULL CHECK (via IN ('console', 'studio', 'api', 'command-line', 'mail')),
    at           text NOT NULL,
    PRIMARY KEY (approval_id, username)
);

-- Links of mails, each for one person. What proves a link is its signature, which is not kept. A row that was not mailed is a mail to send.
CREATE TABLE approval_links (
    id           text PRIMARY KEY,
    approval_id  text NOT NULL REFERENCES approvals (id),
    username     text NOT NULL,
    mail         text NOT NULL,
    created_at   text NOT NULL,
    expires_at   text NOT NULL,
    used_at      text,
    send_after   text NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    mailed_at    text,
    last_error   text,
    UNIQUE (approval_id, username, mail)
);
CREATE INDEX ix_approval_links_unsent ON approval_links (send_after) WHERE mailed_at IS NULL;

-- The order is filed only after an administrator approved its values.
ALTER TABLE compliance_orders ADD COLUMN approval_required integer NOT NULL DEFAULT 0;
