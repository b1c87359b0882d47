-- What was missed is asked for by the overview every few seconds, among many runs that were not.
CREATE INDEX ix_schedule_runs_missed ON schedule_runs (created_at) WHERE outcome = 'missed';
