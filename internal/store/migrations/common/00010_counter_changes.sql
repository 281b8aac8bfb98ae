-- Changes of counters are numbered, so that processes can ask for those of others.

-- +goose Up

ALTER TABLE chain_head ADD COLUMN changes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE counters ADD COLUMN change BIGINT NOT NULL DEFAULT 0; -- the last one
CREATE INDEX counters_change ON counters (change);
