-- lz4 costs a fraction of the default compression; a server built without it keeps the default.
DO $$
BEGIN
    ALTER TABLE webhook_inbox ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
    NULL;
END
$$;
