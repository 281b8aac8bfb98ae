-- What a channel may be sent.

-- +goose Up

ALTER TABLE channels ADD COLUMN limits TEXT NOT NULL DEFAULT '{}'; -- JSON
