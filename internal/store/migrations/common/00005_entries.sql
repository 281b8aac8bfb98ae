-- Entries become the sides of movements, in one chain. What is there is carried over by the next
-- migration, which can compute hashes.

-- +goose Up

ALTER TABLE entries RENAME TO entries_old;
CREATE INDEX entries_old_id ON entries_old (id);

-- Append-only. Columns and their order in the hash: docs/decisions/0010-ledger.md.
CREATE TABLE entries (
  seq        BIGINT NOT NULL,
  movement   BIGINT NOT NULL, -- seq of its first entry
  at_ms      BIGINT NOT NULL,
  kind       TEXT   NOT NULL,
  account_id TEXT   NOT NULL, -- or a system side
  counter    TEXT   NOT NULL,
  amount     BIGINT NOT NULL,
  card_id    TEXT   NOT NULL,
  expires_ms BIGINT NOT NULL, -- of the card that the entry opens, or 0
  reference  TEXT   NOT NULL,
  transfer   TEXT   NOT NULL,
  calls      TEXT   NOT NULL,
  note       TEXT   NOT NULL,
  hash       TEXT   NOT NULL, -- hex
  CONSTRAINT entries_seq PRIMARY KEY (seq)
);
CREATE INDEX entries_account ON entries (account_id, seq);
CREATE INDEX entries_transfer ON entries (transfer) WHERE transfer <> '';

CREATE INDEX cards_expires ON cards (expires_ms) WHERE balance > 0;
