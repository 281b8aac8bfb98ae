-- The first schema. Conventions of all migrations: identifiers are text made by the gateway, times
-- are BIGINT milliseconds UTC, money is BIGINT nano-dollars, JSON is text that no query looks into.
-- One text runs on SQLite and PostgreSQL; a released file is never changed.

-- +goose Up

CREATE TABLE accounts (
  id         TEXT    NOT NULL PRIMARY KEY,
  parent_id  TEXT    REFERENCES accounts (id), -- NULL for root
  path       TEXT    NOT NULL,
  name       TEXT    NOT NULL UNIQUE,
  email      TEXT    UNIQUE, -- NULL if none, so that many may have none
  alias      TEXT    NOT NULL,
  enabled    BOOLEAN NOT NULL,
  role       TEXT    NOT NULL,
  limits     TEXT    NOT NULL, -- JSON
  models     TEXT    NOT NULL, -- JSON
  pools      TEXT    NOT NULL, -- JSON
  created_ms BIGINT  NOT NULL,
  updated_ms BIGINT  NOT NULL,
  version    BIGINT  NOT NULL
);
CREATE INDEX accounts_parent ON accounts (parent_id);

CREATE TABLE api_keys (
  id         TEXT    NOT NULL PRIMARY KEY,
  account_id TEXT    NOT NULL REFERENCES accounts (id),
  name       TEXT    NOT NULL,
  hash       TEXT    NOT NULL UNIQUE, -- hex of secret.HashKey; the key itself is nowhere
  hint       TEXT    NOT NULL,
  enabled    BOOLEAN NOT NULL,
  expires_ms BIGINT  NOT NULL,
  models     TEXT    NOT NULL, -- JSON
  limits     TEXT    NOT NULL, -- JSON
  created_ms BIGINT  NOT NULL,
  updated_ms BIGINT  NOT NULL,
  version    BIGINT  NOT NULL
);
CREATE INDEX api_keys_account ON api_keys (account_id);

CREATE TABLE channels (
  id         TEXT    NOT NULL PRIMARY KEY,
  name       TEXT    NOT NULL,
  provider   TEXT    NOT NULL,
  base_url   TEXT    NOT NULL,
  secret     TEXT    NOT NULL, -- sealed
  models     TEXT    NOT NULL, -- JSON
  mapping    TEXT    NOT NULL, -- JSON
  pools      TEXT    NOT NULL, -- JSON
  priority   BIGINT  NOT NULL,
  weight     BIGINT  NOT NULL,
  enabled    BOOLEAN NOT NULL,
  origin     TEXT    NOT NULL,
  retired    BOOLEAN NOT NULL,
  reason     TEXT    NOT NULL,
  retired_ms BIGINT  NOT NULL,
  created_ms BIGINT  NOT NULL,
  updated_ms BIGINT  NOT NULL,
  version    BIGINT  NOT NULL
);

-- Models that differ from the catalogue in the binary, or are not in it.
CREATE TABLE models (
  name    TEXT   NOT NULL PRIMARY KEY,
  doc     TEXT   NOT NULL, -- JSON of catalog.Model
  version BIGINT NOT NULL  -- counts changes
);

CREATE TABLE settings (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE cards (
  id         TEXT   NOT NULL PRIMARY KEY,
  account_id TEXT   NOT NULL,
  amount     BIGINT NOT NULL,
  balance    BIGINT NOT NULL CHECK (balance >= 0),
  reference  TEXT   NOT NULL,
  granted_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL
);
CREATE INDEX cards_account ON cards (account_id, expires_ms);

-- What is not on cards. Whoever moves an account's money holds its row here until the end of the
-- transaction; that orders all movements of an account.
CREATE TABLE balances (
  account_id TEXT   NOT NULL PRIMARY KEY,
  debt       BIGINT NOT NULL CHECK (debt >= 0),
  spent      BIGINT NOT NULL CHECK (spent >= 0)
);

-- Append-only.
CREATE TABLE entries (
  id         TEXT   NOT NULL, -- UUIDv7, in the order of writing
  at_ms      BIGINT NOT NULL,
  kind       TEXT   NOT NULL,
  account_id TEXT   NOT NULL,
  counter    TEXT   NOT NULL,
  amount     BIGINT NOT NULL,
  card_id    TEXT   NOT NULL,
  call_id    TEXT   NOT NULL,
  note       TEXT   NOT NULL,
  PRIMARY KEY (account_id, id)
);

-- doc is the whole call; the other columns repeat what queries look for. Every call pays for every
-- index, so there are few: by key, model or channel one looks within an account or a time.
CREATE TABLE calls (
  id          TEXT    NOT NULL PRIMARY KEY,
  at_ms       BIGINT  NOT NULL,
  account_id  TEXT    NOT NULL,
  key_id      TEXT    NOT NULL,
  model       TEXT    NOT NULL,
  channel_id  TEXT    NOT NULL,
  failed      BOOLEAN NOT NULL,
  quarantined BOOLEAN NOT NULL,
  doc         TEXT    NOT NULL -- JSON of ledger.Call
);
CREATE INDEX calls_at          ON calls (at_ms, id);
CREATE INDEX calls_account     ON calls (account_id, at_ms, id);
CREATE INDEX calls_failed      ON calls (at_ms, id) WHERE failed;
CREATE INDEX calls_quarantined ON calls (at_ms, id) WHERE quarantined;

CREATE TABLE rollups (
  account_id  TEXT   NOT NULL,
  hour_ms     BIGINT NOT NULL, -- start of the hour
  key_id      TEXT   NOT NULL,
  model       TEXT   NOT NULL,
  channel_id  TEXT   NOT NULL,
  calls       BIGINT NOT NULL,
  errors      BIGINT NOT NULL,
  in_tokens   BIGINT NOT NULL,
  cache_read  BIGINT NOT NULL,
  out_tokens  BIGINT NOT NULL,
  cost        BIGINT NOT NULL,
  quarantined BIGINT NOT NULL,
  PRIMARY KEY (account_id, hour_ms, key_id, model, channel_id)
);
CREATE INDEX rollups_hour ON rollups (hour_ms);

-- Which channel keeps a stored object, for the account that made it.
CREATE TABLE owned_objects (
  account_id TEXT   NOT NULL,
  object_id  TEXT   NOT NULL,
  channel_id TEXT   NOT NULL,
  at_ms      BIGINT NOT NULL, -- of the call that made it
  expires_ms BIGINT NOT NULL,
  PRIMARY KEY (account_id, object_id)
);
CREATE INDEX owned_objects_expires ON owned_objects (expires_ms);

-- Up to where the journal of a node has been applied.
CREATE TABLE journal_positions (
  node    TEXT   NOT NULL PRIMARY KEY,
  segment BIGINT NOT NULL,
  place   BIGINT NOT NULL
);
