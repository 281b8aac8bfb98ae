-- Addresses that are refused because many accounts called from them.

-- +goose Up

CREATE TABLE bans (
  address  TEXT   NOT NULL PRIMARY KEY,
  until_ms BIGINT NOT NULL,
  accounts TEXT   NOT NULL -- JSON: ids of those that called from it
);
