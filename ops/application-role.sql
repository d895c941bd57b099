-- Gives a role what the running service needs, and nothing by which it could falsify a bill: it owns
-- no table, so it can lift no trigger, and closed statements it can only add to and read.
-- Run it as the owner of the database after each `migrate`:
--   psql "$OWNER_DATABASE_URL" -v role=bencher_app -f ops/application-role.sql
GRANT USAGE ON SCHEMA public TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"role";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO :"role";
REVOKE UPDATE, DELETE ON billing_statement, billing_statementline, billing_settlement,
    billing_correction, billing_correctiondecision, series_projectchange FROM :"role";
-- Erasing a person or an organization blanks these; the triggers let nothing else through.
GRANT UPDATE (project_name, testbed_name, benchmark_name, measure_name)
    ON billing_statementline TO :"role";
GRANT UPDATE (why) ON billing_correction TO :"role";
-- The audit is written by triggers with their owner's rights, and by nobody else.
REVOKE INSERT, UPDATE, DELETE ON bencher_change FROM :"role";
GRANT UPDATE (why) ON bencher_change TO :"role";
-- What staff did is added to, and its words can be blanked, as above.
REVOKE UPDATE, DELETE ON django_admin_log FROM :"role";
GRANT UPDATE (object_repr, change_message) ON django_admin_log TO :"role";
REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM :"role";
