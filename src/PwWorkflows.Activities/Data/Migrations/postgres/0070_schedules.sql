-- What is due, by the clock. One row for each Pw.Schedule of a published definition; it stays when the definition goes, so that its history can be read.
CREATE TABLE schedules (
    id                       text COLLATE "C" PRIMARY KEY,
    name                     text NOT NULL,
    definition_id            text NOT NULL,
    version_id               text NOT NULL,
    version                  integer NOT NULL,
    activity_id              text NOT NULL,
    settings                 text NOT NULL,
    anchor                   timestamptz NOT NULL,
    state                    text NOT NULL CHECK (state IN ('active', 'paused', 'disabled', 'retired')),
    -- Raised by every change: who read an older one writes nothing.
    revision                 bigint NOT NULL,
    -- Every due time up to here is on record.
    cursor_at                timestamptz NOT NULL,
    next_at                  timestamptz,
    -- When somebody must look at it; null: never. Who looks sets it ahead first, so that nobody else does.
    wake_at                  timestamptz,
    waiting                  integer NOT NULL DEFAULT 0 CHECK (waiting >= 0),
    running                  integer NOT NULL DEFAULT 0 CHECK (running >= 0),
    last_run_at              timestamptz,
    last_nominal_at          timestamptz,
    last_late_ms             bigint,
    last_outcome             text,
    last_finished_nominal_at timestamptz,
    -- From here on it is watched whether it still finishes.
    watched_from             timestamptz NOT NULL,
    overdue_at               timestamptz,
    overdue                  boolean NOT NULL DEFAULT false,
    alert_at                 timestamptz,
    alerting                 boolean NOT NULL DEFAULT false,
    finished                 bigint NOT NULL DEFAULT 0,
    failed                   bigint NOT NULL DEFAULT 0,
    cancelled                bigint NOT NULL DEFAULT 0,
    -- How many due times ended how: a JSON object such as {"ran":12,"skipped overlap":1}.
    fates                    text NOT NULL DEFAULT '{}',
    paused_at                timestamptz,
    paused_by                text,
    pause_reason             text,
    created_at               timestamptz NOT NULL,
    updated_at               timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX ix_schedules_wake ON schedules (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX ix_schedules_definition ON schedules (definition_id);
CREATE INDEX ix_schedules_name ON schedules (name);

-- What became of due times. A row stands for one, or for several in a row that had the same fate (covers, covers_from to nominal_at); one started by hand stands for none.
CREATE TABLE schedule_runs (
    id           text COLLATE "C" PRIMARY KEY,
    schedule_id  text COLLATE "C" NOT NULL REFERENCES schedules (id),
    cause        text NOT NULL CHECK (cause IN ('due', 'manual')),
    nominal_at   timestamptz NOT NULL,
    covers_from  timestamptz NOT NULL,
    covers       bigint NOT NULL CHECK (covers >= 0),
    due_at       timestamptz NOT NULL,
    outcome      text NOT NULL CHECK (outcome IN ('waiting', 'running', 'finished', 'failed', 'cancelled', 'skipped', 'missed')),
    reason       text,
    caught_up    boolean NOT NULL,
    dry_run      boolean NOT NULL,
    started_at   timestamptz,
    ended_at     timestamptz,
    late_ms      bigint,
    instance_id  text,
    version      integer,
    node         text,
    requested_by text,
    error        text,
    alert_at     timestamptz,
    alerted      boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL
) WITH (fillfactor = 80);
-- Once per due time, whatever happens.
CREATE UNIQUE INDEX ux_schedule_runs_nominal ON schedule_runs (schedule_id, nominal_at) WHERE cause = 'due';
CREATE INDEX ix_schedule_runs_history ON schedule_runs (schedule_id, created_at);
CREATE INDEX ix_schedule_runs_open ON schedule_runs (schedule_id, nominal_at) WHERE outcome IN ('waiting', 'running');
CREATE INDEX ix_schedule_runs_running ON schedule_runs (started_at) WHERE outcome = 'running';
CREATE INDEX ix_schedule_runs_created ON schedule_runs (created_at);
