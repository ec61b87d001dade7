-- prepare_staging
SET plan_cache_mode = force_custom_plan;
SET work_mem = '64MB';
CREATE TEMPORARY TABLE staged_product (
    line         bigint,
    model        boolean,
    code         text COLLATE "C",
    key          text COLLATE "C",
    parent_given boolean,
    parent_code  text COLLATE "C",
    parent_key   text COLLATE "C",
    categories   integer[],
    state        smallint NOT NULL DEFAULT 0, -- 1: refused, 2: repeats a row word for word
    issue        text,
    category     integer);
CREATE TEMPORARY TABLE changed_product (
    line           bigint,
    model          boolean,
    code           text COLLATE "C",
    key            text COLLATE "C",
    is_new         boolean,
    id             integer,
    parent_given   boolean,
    parent_key     text COLLATE "C",
    old_parent     integer,
    new_parent     integer,
    old_categories integer[],
    new_categories integer[]);
