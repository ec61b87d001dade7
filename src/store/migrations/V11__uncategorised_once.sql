-- Products that leave categories are updated once, by the release that writes: it
-- computes product.uncategorised anew in the same transaction. An earlier release
-- does not say so, and the trigger goes on making the column unknown for it.

CREATE OR REPLACE FUNCTION forget_uncategorised_of_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('pim_authz.refreshes_uncategorised', true), '') = 'on' THEN
        RETURN NULL;
    END IF;
    WITH below AS (
        SELECT child.tenant_id, child.id
          FROM (SELECT DISTINCT tenant_id, product_id FROM lost) AS left_one
          JOIN product AS child ON child.tenant_id = left_one.tenant_id AND child.parent_id = left_one.product_id),
    touched AS (
        SELECT tenant_id, product_id AS id FROM lost
         UNION
        SELECT tenant_id, id FROM below
         UNION
        SELECT child.tenant_id, child.id
          FROM below JOIN product AS child ON child.tenant_id = below.tenant_id AND child.parent_id = below.id)
    UPDATE product
       SET uncategorised = NULL
      FROM touched
     WHERE product.tenant_id = touched.tenant_id AND product.id = touched.id AND product.uncategorised IS FALSE;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION forget_uncategorised_of_left() IS 'Keeps product.uncategorised from being wrong when products leave categories, whoever writes: by a release that does not know the column, and by hand. A transaction with pim_authz.refreshes_uncategorised = on computes the column itself.';
