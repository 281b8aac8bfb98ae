-- What the gateway keeps of answers itself, so that their callers can go on with them.

-- +goose Up

CREATE TABLE kept_docs (
  account_id TEXT   NOT NULL,
  id         TEXT   NOT NULL,
  body       TEXT   NOT NULL,
  bytes      BIGINT NOT NULL, -- what it counts for
  at_ms      BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  PRIMARY KEY (account_id, id)
);
CREATE INDEX kept_docs_at      ON kept_docs (account_id, at_ms, id);
CREATE INDEX kept_docs_expires ON kept_docs (expires_ms);
