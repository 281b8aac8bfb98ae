-- Counters of budgets, and the head of the chain of entries.

-- +goose Up

-- What was spent on behalf of a subject (a key, an account with all below it) in the present period of
-- a budget. Written in the transaction that writes the calls.
CREATE TABLE counters (
  subject  TEXT    NOT NULL,
  period   TEXT    NOT NULL,
  zone     TEXT    NOT NULL,
  start_ms BIGINT  NOT NULL,
  end_ms   BIGINT  NOT NULL,
  spent    BIGINT  NOT NULL CHECK (spent >= 0),
  warned   BOOLEAN NOT NULL, -- the soft limit was reported in this period
  PRIMARY KEY (subject, period, zone)
);

-- One row: the last entry of the chain. Whoever appends entries or changes counters holds it until the
-- end of the transaction, and takes it after the rows of balances.
CREATE TABLE chain_head (
  id   BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  seq  BIGINT NOT NULL,
  hash TEXT   NOT NULL -- hex
);
INSERT INTO chain_head (id, seq, hash) VALUES (1, 0, '');
