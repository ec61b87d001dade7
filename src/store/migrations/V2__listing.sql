-- What listing needs: products in the order of their numbers, those that are
-- everyone's, and the key of page tokens.

CREATE INDEX product_in_order ON product (tenant_id, model, id);

ALTER TABLE product ADD COLUMN uncategorised boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN product.uncategorised IS 'Whether neither it nor a model above it lies in any category, so that it is everyone''s (rules 4.3). Kept by every write; a listing finds candidates by it and asks their categories all the same.';

SELECT set_config('pim_authz.door', 'migration', true);
UPDATE product
   SET uncategorised = true
 WHERE NOT EXISTS (SELECT FROM product_category AS held
                    WHERE held.tenant_id = product.tenant_id AND held.product_id = product.id)
   AND NOT EXISTS (SELECT FROM product_category AS held
                    WHERE held.tenant_id = product.tenant_id AND held.product_id = product.parent_id)
   AND NOT EXISTS (SELECT
                     FROM product AS above
                     JOIN product_category AS held ON held.tenant_id = above.tenant_id AND held.product_id = above.parent_id
                    WHERE above.tenant_id = product.tenant_id AND above.id = product.parent_id);

CREATE INDEX product_uncategorised ON product (tenant_id, model, id) WHERE uncategorised;

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
