-- refuse_repeated
WITH repeated AS MATERIALIZED (
    SELECT model, key FROM staged_product WHERE state <> 3 GROUP BY model, key HAVING count(*) > 1),
first AS MATERIALIZED (
    SELECT DISTINCT ON (s.model, s.key) s.model, s.key, s.line, s.parent_given, s.parent_key,
           coalesce(s.resolved, s.categories) AS categories, s.rest
      FROM repeated JOIN staged_product AS s USING (model, key)
     WHERE s.state <> 3
     ORDER BY s.model, s.key, s.line)
UPDATE staged_product AS s
   SET state = CASE WHEN s.parent_given = first.parent_given
                     AND s.parent_key IS NOT DISTINCT FROM first.parent_key
                     AND coalesce(s.resolved, s.categories) IS NOT DISTINCT FROM first.categories
                     AND s.rest = first.rest THEN 2 ELSE 1 END,
       issue = 'repeated'
  FROM first
 WHERE s.model = first.model AND s.key = first.key AND s.line > first.line AND s.state = 0
