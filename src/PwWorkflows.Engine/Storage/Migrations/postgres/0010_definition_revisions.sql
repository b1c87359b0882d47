-- What was saved of a definition, save by save, for as long as revisions are kept. The versions themselves only have the last of each.
-- One that is not accepted was refused because somebody else had saved meanwhile.
CREATE TABLE workflow_definition_revisions (
    id                    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    definition_id         text COLLATE "C" NOT NULL,
    definition_version_id text COLLATE "C" NOT NULL,
    version               integer NOT NULL,
    name                  text,
    description           text,
    content_hash          text COLLATE "C" NOT NULL REFERENCES workflow_contents (hash),
    accepted              boolean NOT NULL,
    saved_at              timestamptz NOT NULL,
    saved_by              text
);
CREATE INDEX workflow_definition_revisions_definition ON workflow_definition_revisions (definition_id, id);
CREATE INDEX workflow_definition_revisions_saved ON workflow_definition_revisions (saved_at);
CREATE INDEX workflow_definition_revisions_content ON workflow_definition_revisions (content_hash);
