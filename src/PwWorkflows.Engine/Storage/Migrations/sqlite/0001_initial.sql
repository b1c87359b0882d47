-- Times are microseconds since 1970-01-01 UTC: the same precision as PostgreSQL's timestamptz, and they sort as numbers.

CREATE TABLE engine_stamps (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
-- A node reserves a block of lease tokens at a time; a token is never given out twice.
INSERT INTO engine_stamps (name, value) VALUES ('definitions', 1), ('lease_token_blocks', 0);

CREATE TABLE workflow_contents (
    hash       TEXT PRIMARY KEY,
    content    TEXT NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (unixepoch() * 1000000)
);

CREATE TABLE workflow_definitions (
    id            TEXT PRIMARY KEY,
    definition_id TEXT NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    name          TEXT,
    description   TEXT,
    is_latest     INTEGER NOT NULL,
    is_published  INTEGER NOT NULL,
    content_hash  TEXT NOT NULL REFERENCES workflow_contents (hash),
    source_file   TEXT,
    source_hash   TEXT,
    created_at    INTEGER NOT NULL,
    created_by    TEXT,
    UNIQUE (definition_id, version)
);
CREATE UNIQUE INDEX workflow_definitions_published ON workflow_definitions (definition_id) WHERE is_published;

CREATE TABLE workflow_triggers (
    id                    TEXT PRIMARY KEY,
    definition_id         TEXT NOT NULL,
    definition_version_id TEXT NOT NULL REFERENCES workflow_definitions (id) ON DELETE CASCADE,
    activity_id           TEXT NOT NULL,
    name                  TEXT NOT NULL,
    hash                  TEXT NOT NULL,
    route_key             TEXT,
    payload               TEXT NOT NULL
);
CREATE UNIQUE INDEX workflow_triggers_route ON workflow_triggers (route_key) WHERE route_key IS NOT NULL;
CREATE INDEX workflow_triggers_definition ON workflow_triggers (definition_id);

CREATE TABLE workflow_instances (
    id                    TEXT NOT NULL PRIMARY KEY,
    definition_id         TEXT NOT NULL,
    definition_version_id TEXT NOT NULL,
    version               INTEGER NOT NULL,
    content_hash          TEXT NOT NULL,
    status                TEXT NOT NULL CONSTRAINT workflow_instances_status
                          CHECK (status IN ('Pending', 'Running', 'Suspended', 'Finished', 'Faulted', 'Cancelled', 'Parked')),
    correlation_id        TEXT,
    name                  TEXT,
    parent_instance_id    TEXT,
    activation_key        TEXT,
    incident_count        INTEGER NOT NULL,
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL,
    finished_at           INTEGER,
    state                 BLOB NOT NULL,
    CONSTRAINT workflow_instances_end CHECK ((finished_at IS NOT NULL) = (status IN ('Finished', 'Faulted', 'Cancelled')))
);
CREATE INDEX workflow_instances_newest ON workflow_instances (created_at, id);
CREATE INDEX workflow_instances_definition ON workflow_instances (definition_id, created_at, id);
CREATE INDEX workflow_instances_ended ON workflow_instances (definition_id, finished_at) WHERE finished_at IS NOT NULL;
-- Finished ones are nearly all; the others are what is looked for.
CREATE INDEX workflow_instances_unfinished ON workflow_instances (status, created_at) WHERE status <> 'Finished';
CREATE INDEX workflow_instances_correlation ON workflow_instances (correlation_id, created_at) WHERE correlation_id IS NOT NULL;
CREATE INDEX workflow_instances_parent ON workflow_instances (parent_instance_id) WHERE parent_instance_id IS NOT NULL;
CREATE INDEX workflow_instances_incidents ON workflow_instances (created_at, id) WHERE incident_count > 0;
CREATE UNIQUE INDEX workflow_instances_activation ON workflow_instances (activation_key) WHERE activation_key IS NOT NULL;

-- Leases apart from the instances: claiming and renewing must not rewrite the state.
CREATE TABLE instance_leases (
    instance_id TEXT NOT NULL PRIMARY KEY,
    owner       TEXT NOT NULL,
    token       INTEGER NOT NULL,
    until       INTEGER NOT NULL,
    takeovers   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE workflow_bookmarks (
    id                   TEXT NOT NULL PRIMARY KEY,
    instance_id          TEXT NOT NULL,
    hash                 TEXT NOT NULL,
    name                 TEXT NOT NULL,
    activity_instance_id TEXT NOT NULL,
    correlation_id       TEXT,
    created_at           INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX workflow_bookmarks_hash ON workflow_bookmarks (hash);
CREATE INDEX workflow_bookmarks_instance ON workflow_bookmarks (instance_id);

-- available_at is the due time while nobody holds the item, and the end of the holder's time while somebody does:
-- one index finds both the due ones and those whose holder died.
CREATE TABLE work_items (
    id             TEXT NOT NULL PRIMARY KEY,
    kind           TEXT NOT NULL CHECK (kind IN ('Start', 'Resume', 'Stimulus', 'Trigger', 'Cancel', 'Retry', 'Continue')),
    instance_id    TEXT,
    due_at         INTEGER NOT NULL,
    available_at   INTEGER NOT NULL,
    taken_by       TEXT,
    woken          INTEGER NOT NULL DEFAULT 0,
    attempts       INTEGER NOT NULL,
    hash           TEXT,
    correlation_id TEXT,
    owner_key      TEXT,
    payload        BLOB NOT NULL,
    CHECK (instance_id IS NOT NULL OR kind IN ('Stimulus', 'Trigger'))
);
CREATE INDEX work_items_available ON work_items (available_at);
CREATE INDEX work_items_owner ON work_items (owner_key) WHERE owner_key IS NOT NULL;
CREATE INDEX work_items_stimulus ON work_items (hash) WHERE hash IS NOT NULL;

CREATE TABLE workflow_journal (
    instance_id    TEXT NOT NULL,
    first_sequence INTEGER NOT NULL,
    last_sequence  INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    entries        BLOB NOT NULL,
    PRIMARY KEY (instance_id, first_sequence)
);
