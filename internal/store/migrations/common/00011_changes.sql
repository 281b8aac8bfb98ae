-- Changes of accounts, keys, channels, models and settings are numbered, so that processes can ask for those
-- of others.

-- +goose Up

CREATE TABLE change_head (
  id  BIGINT NOT NULL PRIMARY KEY,
  rev BIGINT NOT NULL -- the last number
);
INSERT INTO change_head (id, rev) VALUES (1, 0);

CREATE TABLE changes (
  kind TEXT   NOT NULL,
  id   TEXT   NOT NULL,
  rev  BIGINT NOT NULL, -- of its last change
  PRIMARY KEY (kind, id)
);
CREATE INDEX changes_rev ON changes (rev);
