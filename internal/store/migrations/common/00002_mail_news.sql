-- Outgoing mail that waits or went out, and news for account holders.

-- +goose Up

CREATE TABLE mails (
  id         TEXT   NOT NULL PRIMARY KEY,
  mail_key   TEXT   NOT NULL UNIQUE, -- what it is about: nobody is told twice
  recipient  TEXT   NOT NULL,
  subject    TEXT   NOT NULL,
  body       TEXT   NOT NULL, -- '' once it is done
  state      TEXT   NOT NULL,
  tries      BIGINT NOT NULL,
  next_ms    BIGINT NOT NULL,
  error      TEXT   NOT NULL,
  created_ms BIGINT NOT NULL
);
CREATE INDEX mails_next ON mails (state, next_ms);

CREATE TABLE news (
  id         TEXT    NOT NULL PRIMARY KEY,
  target     TEXT    NOT NULL, -- path of an account, '' for everybody
  below      BOOLEAN NOT NULL, -- those below it too
  title      TEXT    NOT NULL,
  content    TEXT    NOT NULL,
  author_id  TEXT    NOT NULL,
  created_ms BIGINT  NOT NULL,
  expires_ms BIGINT  NOT NULL
);
CREATE INDEX news_target ON news (target, expires_ms);
