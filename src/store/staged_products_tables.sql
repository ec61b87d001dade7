-- prepare_staging
CREATE TEMPORARY TABLE IF NOT EXISTS staged_product (
    line         bigint,
    model        boolean,
    code         text COLLATE "C",
    key          text COLLATE "C",
    parent_given boolean,
    parent_code  text COLLATE "C",
    parent_key   text COLLATE "C",
    categories   integer[],
    listed       integer[], -- the same as they are listed, if several
    resolved     integer[], -- what the list means, if not the categories one by one
    rest         bigint, -- a hash of what else the row contains
    state        smallint NOT NULL DEFAULT 0, -- 1: refused, 2: repeats a row word for word, 3: was not read
    issue        text,
    category     integer,
    detail       text);
CREATE TEMPORARY TABLE IF NOT EXISTS changed_product (
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
CREATE TEMPORARY TABLE IF NOT EXISTS removed_product (
    id         integer,
    model      boolean,
    code       text COLLATE "C",
    key        text COLLATE "C",
    parent     integer,
    categories integer[]);
