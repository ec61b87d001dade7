-- join_in_bulk
SET LOCAL enable_nestloop = off;
SET LOCAL work_mem = '64MB';
SET LOCAL random_page_cost = 1.1;
