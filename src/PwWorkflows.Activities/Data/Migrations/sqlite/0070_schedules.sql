-- What is due, by the clock. One row for each Pw.Schedule of a published definition; it stays when the definition goes, so that its history can be read.
CREATE TABLE schedules (
    id                       TEXT PRIMARY KEY,
    name                     TEXT NOT NULL,
    definition_id            TEXT NOT NULL,
    version_id               TEXT NOT NULL,
    version                  INTEGER NOT NULL,
    activity_id              TEXT NOT NULL,
    settings                 TEXT NOT NULL,
    anchor                   TEXT NOT NULL,
    state                    TEXT NOT NULL CHECK (state IN ('active', 'paused', 'disabled', 'retired')),
    -- Raised by every change: who read an older one writes nothing.
    revision                 INTEGER NOT NULL,
    -- Every due time up to here is on record.
    cursor_at                TEXT NOT NULL,
    next_at                  TEXT,
    -- When somebody must look at it; null: never. Who looks sets it ahead first, so that nobody else does.
    wake_at                  TEXT,
    waiting                  INTEGER NOT NULL DEFAULT 0 CHECK (waiting >= 0),
    running                  INTEGER NOT NULL DEFAULT 0 CHECK (running >= 0),
    last_run_at              TEXT,
    last_nominal_at          TEXT,
    last_late_ms             INTEGER,
    last_outcome             TEXT,
    last_finished_nominal_at TEXT,
    -- From here on it is watched whether it still finishes.
    watched_from             TEXT NOT NULL,
    overdue_at               TEXT,
    overdue                  INTEGER NOT NULL DEFAULT 0,
    alert_at                 TEXT,
    alerting                 INTEGER NOT NULL DEFAULT 0,
    finished                 INTEGER NOT NULL DEFAULT 0,
    failed                   INTEGER NOT NULL DEFAULT 0,
    cancelled                INTEGER NOT NULL DEFAULT 0,
    -- How many due times ended how: a JSON object such as {"ran":12,"skipped overlap":1}.
    fates                    TEXT NOT NULL DEFAULT '{}',
    paused_at                TEXT,
    paused_by                TEXT,
    pause_reason             TEXT,
    created_at               TEXT NOT NULL,
    updated_at               TEXT NOT NULL
);
CREATE INDEX ix_schedules_wake ON schedules (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX ix_schedules_definition ON schedules (definition_id);
CREATE INDEX ix_schedules_name ON schedules (name);

-- What became of due times. A row stands for one, or for several in a row that had the same fate (covers, covers_from to nominal_at); one started by hand stands for none.
CREATE TABLE schedule_runs (
    id           TEXT PRIMARY KEY,
    schedule_id  TEXT NOT NULL REFERENCES schedules (id),
    cause        TEXT NOT NULL CHECK (cause IN ('due', 'manual')),
    nominal_at   TEXT NOT NULL,
    covers_from  TEXT NOT NULL,
    covers       INTEGER NOT NULL CHECK (covers >= 0),
    due_at       TEXT NOT NULL,
    outcome      TEXT NOT NULL CHECK (outcome IN ('waiting', 'running', 'finished', 'failed', 'cancelled', 'skipped', 'missed')),
    reason       TEXT,
    caught_up    INTEGER NOT NULL,
    dry_run      INTEGER NOT NULL,
    started_at   TEXT,
    ended_at     TEXT,
    late_ms      INTEGER,
    instance_id  TEXT,
    version      INTEGER,
    node         TEXT,
    requested_by TEXT,
    error        TEXT,
    alert_at     TEXT,
    alerted      INTEGER NOT NULL DEFAULT 0,
    created_at   TEXT NOT NULL
);
-- Once per due time, whatever happens.
CREATE UNIQUE INDEX ux_schedule_runs_nominal ON schedule_runs (schedule_id, nominal_at) WHERE cause = 'due';
CREATE INDEX ix_schedule_runs_history ON schedule_runs (schedule_id, created_at);
CREATE INDEX ix_schedule_runs_open ON schedule_runs (schedule_id, nominal_at) WHERE outcome IN ('waiting', 'running');
CREATE INDEX ix_schedule_runs_running ON schedule_runs (started_at) WHERE outcome = 'running';
CREATE INDEX ix_schedule_runs_created ON schedule_runs (created_at);
