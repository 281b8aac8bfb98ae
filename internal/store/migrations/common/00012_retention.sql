-- Calls and events of the audit trail may be removed when they are old.

-- +goose Up

CREATE TABLE retention (
  name      TEXT   NOT NULL PRIMARY KEY, -- calls
  before_ms BIGINT NOT NULL              -- what ended before it may be gone
);

-- What is known of the calls that are gone and were charged: ledger.Digest.
CREATE TABLE forgotten (
  account_id TEXT   NOT NULL PRIMARY KEY,
  calls      BIGINT NOT NULL,
  digest     TEXT   NOT NULL
);

CREATE INDEX audit_at ON audit (at_ms);
