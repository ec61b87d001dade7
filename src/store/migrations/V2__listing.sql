-- What listing needs: products in the order of their numbers, those that are
-- everyone's, and the key of page tokens.

CREATE INDEX product_in_order ON product (tenant_id, model, id);

ALTER TABLE product ADD COLUMN uncategorised boolean;
COMMENT ON COLUMN product.uncategorised IS 'Whether neither it nor a model above it lies in any category, so that it is everyone''s (rules 4.3); null: not known, it may. Writes keep it known, and triggers forget it where one might have made it true: a listing looks at whatever is not known to be false, and asks its categories all the same.';

SELECT set_config('pim_authz.door', 'migration', true);
UPDATE product
   SET uncategorised =
       NOT EXISTS (SELECT FROM product_category AS held
                    WHERE held.tenant_id = product.tenant_id AND held.product_id = product.id)
   AND NOT EXISTS (SELECT FROM product_category AS held
                    WHERE held.tenant_id = product.tenant_id AND held.product_id = product.parent_id)
   AND NOT EXISTS (SELECT
                     FROM product AS above
                     JOIN product_category AS held ON held.tenant_id = above.tenant_id AND held.product_id = above.parent_id
                    WHERE above.tenant_id = product.tenant_id AND above.id = product.parent_id);

CREATE INDEX product_uncategorised ON product (tenant_id, model, id) WHERE uncategorised IS NOT FALSE;

CREATE FUNCTION forget_uncategorised_of_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
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
COMMENT ON FUNCTION forget_uncategorised_of_left() IS 'Keeps product.uncategorised from being wrong when products leave categories, whoever writes; a release before this one does not know the column.';
CREATE TRIGGER product_category_left AFTER DELETE ON product_category
    REFERENCING OLD TABLE AS lost FOR EACH STATEMENT EXECUTE FUNCTION forget_uncategorised_of_left();

CREATE FUNCTION forget_uncategorised_of_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE product
       SET uncategorised = NULL
     WHERE tenant_id = NEW.tenant_id AND uncategorised IS FALSE
       AND id IN (SELECT NEW.id
                   UNION ALL
                  SELECT child.id FROM product AS child WHERE child.tenant_id = NEW.tenant_id AND child.parent_id = NEW.id);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION forget_uncategorised_of_moved() IS 'The same when a product or a model with its variants moves below another model.';
CREATE TRIGGER product_moved AFTER UPDATE OF parent_id ON product
    FOR EACH ROW WHEN (OLD.parent_id IS DISTINCT FROM NEW.parent_id) EXECUTE FUNCTION forget_uncategorised_of_moved();

CREATE TABLE secret_key (
    name  text COLLATE "C" CONSTRAINT secret_key_pk PRIMARY KEY,
    value bytea NOT NULL CONSTRAINT secret_key_long_enough CHECK (length(value) = 32)
);
COMMENT ON TABLE secret_key IS 'Keys that all servers of this database share, made once by the migration; the servers may read them only.';
COMMENT ON COLUMN secret_key.name IS 'What the key is for: page_token.';
COMMENT ON COLUMN secret_key.value IS 'The key, 32 random bytes.';
-- gen_random_uuid draws from the operating system; two of them hold 244 random bits.
INSERT INTO secret_key (name, value)
VALUES ('page_token', sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea));
