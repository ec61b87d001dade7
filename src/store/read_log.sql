-- read_log
SELECT 'head' AS part, seq, epoch, log_floor, fingerprint = primary_fingerprint() AS is_current,
       pg_is_in_recovery() AS standby,
       (SELECT count(*) FROM intent) AS pending,
       (SELECT min(intent.seq) FROM intent) AS settled, NULL::text[] AS keys
  FROM head
 UNION ALL
SELECT 'announcement', seq, 0, 0, false, false, 0, NULL, keys
  FROM invalidation
 WHERE seq > $1
 UNION ALL
SELECT 'revision', max(revision), tenant_id, 0, false, false, 0, NULL, NULL
  FROM commit_log
 WHERE n >= $2
 GROUP BY tenant_id
 ORDER BY 1 DESC, 2
