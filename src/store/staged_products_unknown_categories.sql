-- refuse_unknown_categories
WITH unknown AS MATERIALIZED (
    SELECT s.model, s.line, min(named.category) AS category
      FROM staged_product AS s
     CROSS JOIN unnest(coalesce(s.resolved, s.categories)) AS named (category)
      JOIN unnest($1::integer[]) AS u (category) ON u.category = named.category
     WHERE s.state = 0
     GROUP BY s.model, s.line)
UPDATE staged_product AS s
   SET state = 1, issue = 'category_unknown', category = unknown.category
  FROM unknown
 WHERE s.model = unknown.model AND s.line = unknown.line AND s.state = 0
