-- begin_comparison
SET LOCAL work_mem = '64MB';
SET LOCAL random_page_cost = 1.1;
UPDATE staged_product SET state = 0, resolved = NULL WHERE state IN (1, 2) OR resolved IS NOT NULL;
ANALYZE staged_product;
TRUNCATE changed_product;
