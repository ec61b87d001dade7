-- Which apps passed the step permissions, so that one which was connected in
-- another edition can be asked it later (rules 5.8a).

ALTER TABLE app ADD COLUMN permissions_passed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN app.permissions_passed IS 'Whether the step permissions was passed, in the wizard or by columns of apps.csv (rules 5.8a).';

-- Nothing else tells it of the apps that are there. One for which nothing was
-- chosen is asked (again), which harms less than one that never can be asked.
ALTER TABLE app DISABLE TRIGGER USER;
UPDATE app SET permissions_passed = true
 WHERE EXISTS (SELECT FROM app_selection AS chosen
                WHERE chosen.tenant_id = app.tenant_id AND chosen.subject_id = app.subject_id);
ALTER TABLE app ENABLE TRIGGER USER;
