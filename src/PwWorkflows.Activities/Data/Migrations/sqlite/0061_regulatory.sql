-- Contribution factors by quarter. announce: first seen by the monitor before the quarter began, so customers are told of it.
CREATE TABLE usf_contribution_factors (
    id                  integer PRIMARY KEY,
    year                integer NOT NULL,
    quarter             integer NOT NULL CHECK (quarter BETWEEN 1 AND 4),
    effective_start     text NOT NULL,
    effective_end       text NOT NULL,
    factor_pct          text NOT NULL,
    circularity_pct     text,
    fcc_public_notice   text,
    source              text NOT NULL,
    evidence_key        text,
    first_seen_at       text NOT NULL,
    announce            integer NOT NULL DEFAULT 0,
    notified_at         text,
    notification_count  integer NOT NULL DEFAULT 0,
    UNIQUE (year, quarter)
);

-- Who was told of which quarter.
CREATE TABLE usf_factor_notices (
    year       integer NOT NULL,
    quarter    integer NOT NULL,
    email      text NOT NULL,
    mailed_at  text NOT NULL,
    PRIMARY KEY (year, quarter, email)
);

-- Line 10 of Appendix A of the Form 499-A instructions, by form year.
CREATE TABLE fcc_deminimis_factors (
    form_year   integer PRIMARY KEY,
    factor      text NOT NULL,
    source      text NOT NULL
);
INSERT INTO fcc_deminimis_factors (form_year, factor, source) VALUES (2026, '0.256', 'third-party table built from the 2026 instructions; not seen in an FCC text');

-- Interstate safe harbors by form year.
CREATE TABLE fcc_safe_harbor_percentages (
    form_year   integer NOT NULL,
    category    text NOT NULL CHECK (category IN ('voip_interconnected', 'wireless', 'paging', 'smr')),
    percent     text NOT NULL,
    source      text NOT NULL,
    PRIMARY KEY (form_year, category)
);
INSERT INTO fcc_safe_harbor_percentages (form_year, category, percent, source) VALUES
    (2026, 'voip_interconnected', '64.9', 'FCC Form 499-A instructions'),
    (2026, 'wireless', '37.1', 'FCC Form 499-A instructions'),
    (2026, 'paging', '12.0', 'secondary'),
    (2026, 'smr', '1.0', 'secondary');
