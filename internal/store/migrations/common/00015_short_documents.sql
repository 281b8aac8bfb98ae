-- From here on the document of a call says neither at_ms nor key_id, model and channel_id, and nothing twice
-- (ledger.Call.AppendStored). Older rows stay as they are. Nothing changes in the schema, but a program that
-- expects all of it in the document must not open the database.

-- +goose Up

SELECT 1;
