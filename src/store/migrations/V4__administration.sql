-- What the administration needs: tenants that were deleted stay as a name for
-- their audit log and for the answers kept for retries.

ALTER TABLE tenant ADD COLUMN deleted_key text COLLATE "C";
COMMENT ON COLUMN tenant.deleted_key IS 'The folded code of a tenant that was deleted; its `key` is one that no code can be, so that the code is free. Null: it is there.';
CREATE INDEX tenant_deleted ON tenant (deleted_key) WHERE deleted_key IS NOT NULL;

CREATE INDEX app_request_by_end ON app_request (tenant_id, expires_at);
