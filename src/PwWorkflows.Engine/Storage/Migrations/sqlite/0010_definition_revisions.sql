-- What was saved of a definition, save by save, for as long as revisions are kept. The versions themselves only have the last of each.
-- One that is not accepted was refused because somebody else had saved meanwhile.
CREATE TABLE workflow_definition_revisions (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    definition_id         TEXT NOT NULL,
    definition_version_id TEXT NOT NULL,
    version               INTEGER NOT NULL,
    name                  TEXT,
    description           TEXT,
    content_hash          TEXT NOT NULL REFERENCES workflow_contents (hash),
    accepted              INTEGER NOT NULL,
    saved_at              INTEGER NOT NULL,
    saved_by              TEXT
);
CREATE INDEX workflow_definition_revisions_definition ON workflow_definition_revisions (definition_id, id);
CREATE INDEX workflow_definition_revisions_saved ON workflow_definition_revisions (saved_at);
CREATE INDEX workflow_definition_revisions_content ON workflow_definition_revisions (content_hash);
