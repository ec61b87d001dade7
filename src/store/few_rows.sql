-- few_rows
-- A plan is made once, of statistics that may show a table as empty: reading all of it,
-- or all of a tenant, must look expensive. (With enable_seqscan = off all plans that read
-- a temporary table would look equally expensive.)
SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL seq_page_cost = 10000;
SET LOCAL random_page_cost = 0.1;
SET LOCAL cpu_tuple_cost = 10;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off
