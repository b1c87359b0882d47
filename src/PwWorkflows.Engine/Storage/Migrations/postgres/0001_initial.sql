-- Ids and hashes are compared byte by byte (collation C): cheaper, and the same order as on SQLite.

CREATE TABLE engine_stamps (
    name  text COLLATE "C" PRIMARY KEY,
    value bigint NOT NULL
);
INSERT INTO engine_stamps (name, value) VALUES ('definitions', 1);

-- A node reserves a block of lease tokens at a time; a token is never given out twice.
CREATE SEQUENCE lease_token_blocks;

-- Raises its own error code when a joint statement touched another number of rows than it had to, so that the transaction ends without a further round trip.
CREATE FUNCTION engine_require(actual bigint, expected bigint, code text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF actual <> expected THEN
        RAISE EXCEPTION '% rows were touched where % were expected', actual, expected USING ERRCODE = code;
    END IF;
END
$$;

CREATE TABLE workflow_contents (
    hash       text COLLATE "C" PRIMARY KEY,
    content    text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE workflow_definitions (
    id            text COLLATE "C" PRIMARY KEY,
    definition_id text COLLATE "C" NOT NULL,
    version       integer NOT NULL CHECK (version >= 1),
    name          text,
    description   text,
    is_latest     boolean NOT NULL,
    is_published  boolean NOT NULL,
    content_hash  text COLLATE "C" NOT NULL REFERENCES workflow_contents (hash),
    source_file   text,
    source_hash   text,
    created_at    timestamptz NOT NULL,
    created_by    text,
    UNIQUE (definition_id, version)
);
CREATE UNIQUE INDEX workflow_definitions_published ON workflow_definitions (definition_id) WHERE is_published;

CREATE TABLE workflow_triggers (
    id                    text COLLATE "C" PRIMARY KEY,
    definition_id         text COLLATE "C" NOT NULL,
    definition_version_id text COLLATE "C" NOT NULL REFERENCES workflow_definitions (id) ON DELETE CASCADE,
    activity_id           text NOT NULL,
    name                  text NOT NULL,
    hash                  text COLLATE "C" NOT NULL,
    route_key             text COLLATE "C",
    payload               text NOT NULL
);
CREATE UNIQUE INDEX workflow_triggers_route ON workflow_triggers (route_key) WHERE route_key IS NOT NULL;
CREATE INDEX workflow_triggers_definition ON workflow_triggers (definition_id);

CREATE TABLE workflow_instances (
    id                    text COLLATE "C" PRIMARY KEY,
    definition_id         text COLLATE "C" NOT NULL,
    definition_version_id text COLLATE "C" NOT NULL,
    version               integer NOT NULL,
    content_hash          text COLLATE "C" NOT NULL,
    status                text COLLATE "C" NOT NULL CONSTRAINT workflow_instances_status
                          CHECK (status IN ('Pending', 'Running', 'Suspended', 'Finished', 'Faulted', 'Cancelled', 'Parked')),
    correlation_id        text COLLATE "C",
    name                  text,
    parent_instance_id    text COLLATE "C",
    activation_key        text COLLATE "C",
    incident_count        integer NOT NULL,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    finished_at           timestamptz,
    state                 bytea NOT NULL,
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
    instance_id text COLLATE "C" PRIMARY KEY,
    owner       text NOT NULL,
    token       bigint NOT NULL,
    until       timestamptz NOT NULL,
    takeovers   integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE workflow_bookmarks (
    id                   text COLLATE "C" PRIMARY KEY,
    instance_id          text COLLATE "C" NOT NULL,
    hash                 text COLLATE "C" NOT NULL,
    name                 text NOT NULL,
    activity_instance_id text COLLATE "C" NOT NULL,
    correlation_id       text COLLATE "C",
    created_at           timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX workflow_bookmarks_hash ON workflow_bookmarks (hash);
CREATE INDEX workflow_bookmarks_instance ON workflow_bookmarks (instance_id);

-- available_at is the due time while nobody holds the item, and the end of the holder's time while somebody does:
-- one index finds both the due ones and those whose holder died.
CREATE TABLE work_items (
    id             text COLLATE "C" PRIMARY KEY,
    kind           text COLLATE "C" NOT NULL CHECK (kind IN ('Start', 'Resume', 'Stimulus', 'Trigger', 'Cancel', 'Retry', 'Continue')),
    instance_id    text COLLATE "C",
    due_at         timestamptz NOT NULL,
    available_at   timestamptz NOT NULL,
    taken_by       text,
    woken          boolean NOT NULL DEFAULT false,
    attempts       integer NOT NULL,
    hash           text COLLATE "C",
    correlation_id text COLLATE "C",
    owner_key      text COLLATE "C",
    payload        bytea NOT NULL,
    CHECK (instance_id IS NOT NULL OR kind IN ('Stimulus', 'Trigger'))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX work_items_available ON work_items (available_at);
CREATE INDEX work_items_owner ON work_items (owner_key) WHERE owner_key IS NOT NULL;
CREATE INDEX work_items_stimulus ON work_items (hash) WHERE hash IS NOT NULL;

CREATE TABLE workflow_journal (
    instance_id    text COLLATE "C" NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence  bigint NOT NULL,
    created_at     timestamptz NOT NULL,
    entries        bytea NOT NULL,
    PRIMARY KEY (instance_id, first_sequence)
);

-- lz4 costs a fraction of the default compression; a server built without it keeps the default.
DO $$
BEGIN
    ALTER TABLE workflow_instances ALTER COLUMN state SET COMPRESSION lz4;
    ALTER TABLE workflow_journal ALTER COLUMN entries SET COMPRESSION lz4;
    ALTER TABLE work_items ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
    NULL;
END
$$;
