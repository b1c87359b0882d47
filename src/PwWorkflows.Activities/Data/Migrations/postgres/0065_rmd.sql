-- Looks at the FCC's Robocall Mitigation Database, and which of our carriers it listed.
CREATE TABLE rmd_snapshots (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken_at      timestamptz NOT NULL,
    listed        integer NOT NULL,
    evidence_key  text NOT NULL
);
CREATE TABLE rmd_snapshot_carriers (
    snapshot_id  bigint NOT NULL REFERENCES rmd_snapshots (id),
    frn          text NOT NULL,
    PRIMARY KEY (snapshot_id, frn)
);
CREATE INDEX ix_rmd_snapshot_carriers_frn ON rmd_snapshot_carriers (frn);

-- Removal orders of the FCC that were seen; baseline: it was there before we looked first.
CREATE TABLE rmd_removal_orders (
    document      text PRIMARY KEY,
    baseline      boolean NOT NULL,
    frns          integer NOT NULL,
    evidence_key  text,
    seen_at       timestamptz NOT NULL
);

CREATE TABLE rmd_removals (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    telecom_entity_id  integer NOT NULL REFERENCES telecom_entities (id),
    frn                text NOT NULL,
    reason             text NOT NULL CHECK (reason IN ('removed', 'missing', 'order')),
    source             text NOT NULL,
    found_at           timestamptz NOT NULL,
    alerted_at         timestamptz,
    resolved_at        timestamptz
);
CREATE UNIQUE INDEX ux_rmd_removals_open ON rmd_removals (frn) WHERE resolved_at IS NULL;
