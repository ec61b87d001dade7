-- PostgreSQL looks for references to each row that is deleted: without an index
-- it reads all rows of the tenant that might refer to it, for each one that
-- goes (22 seconds for 15,000 categories and the trees of channels).
CREATE INDEX item_by_tree ON item (tenant_id, tree_id) WHERE tree_id IS NOT NULL;
CREATE INDEX channel_locale_by_locale ON channel_locale (tenant_id, locale_id);
CREATE INDEX grid_view_group_by_group ON grid_view_group (tenant_id, group_id);
CREATE INDEX app_by_group ON app (tenant_id, group_id);
CREATE INDEX app_selection_by_item ON app_selection (tenant_id, item_id) WHERE item_id IS NOT NULL;
