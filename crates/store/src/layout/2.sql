-- Databases of layout 1 may have it already.
CREATE INDEX IF NOT EXISTS kv_by_expiration ON kv (expiration) WHERE expiration IS NOT NULL;

-- What dynamic Workers stored that are gone. Their keys are the arrays of three.
DELETE FROM object_entries
WHERE CASE WHEN json_valid(worker) THEN json_array_length(worker) END = 3;
DELETE FROM object_alarms
WHERE CASE WHEN json_valid(worker) THEN json_array_length(worker) END = 3;
