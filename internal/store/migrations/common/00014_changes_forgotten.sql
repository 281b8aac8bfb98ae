-- Of changes, the latest are kept. Who has seen less than what is gone reads everything again.

-- +goose Up

ALTER TABLE change_head ADD COLUMN forgotten BIGINT NOT NULL DEFAULT 0; -- changes up to this number may be gone
