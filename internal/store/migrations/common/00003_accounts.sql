-- What accounts and keys say beyond names, limits, models and pools. JSON, which no query looks into.

-- +goose Up

ALTER TABLE accounts ADD COLUMN doc TEXT NOT NULL DEFAULT '{}';
ALTER TABLE api_keys ADD COLUMN doc TEXT NOT NULL DEFAULT '{}';

-- Who did what to which account. Append-only; ids are UUIDv7, in the order of writing.
CREATE TABLE audit (
  id          TEXT   NOT NULL PRIMARY KEY,
  at_ms       BIGINT NOT NULL,
  action      TEXT   NOT NULL,
  status      TEXT   NOT NULL,
  operator_id TEXT   NOT NULL, -- account
  key_id      TEXT   NOT NULL, -- that the operator used
  target_id   TEXT   NOT NULL, -- account; '' when it was about something else
  object      TEXT   NOT NULL, -- what else it was about: a key, a channel …; may be ''
  details     TEXT   NOT NULL  -- JSON, no secrets
);
CREATE INDEX audit_operator ON audit (operator_id, id);
CREATE INDEX audit_target   ON audit (target_id, id);
