-- Accounts that were closed while calls were under way: what is held for these returns to the parent
-- when they end.

-- +goose Up

CREATE TABLE closings (
  account_id TEXT   NOT NULL PRIMARY KEY,
  parent_id  TEXT   NOT NULL,
  transfer   TEXT   NOT NULL, -- id of the first one
  at_ms      BIGINT NOT NULL,
  note       TEXT   NOT NULL
);
