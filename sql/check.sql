-- Whether a server will do for unique_random, row by row: what it can, and what
-- it means if it cannot.  "ok" is NULL where it will do, but not for everything.
--
-- Run it as the role that is to own the schema; it need not be a superuser:
--
--     psql "$SHARD" -f check.sql
--
-- or paste it.  It defines nothing and changes nothing.  Where the schema is,
-- SELECT * FROM unique_random.check(); says the same.

BEGIN;

SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
DECLARE
    p record;
    said text;
    good boolean;
    found jsonb := '[]';
BEGIN
    FOR p IN
        SELECT * FROM (VALUES
            ('version',
             $q$SELECT current_setting('server_version'),
                       current_setting('server_version_num')::integer >= 130000
             $q$,
             'supported',
             'PostgreSQL 13 is needed'),

            ('primary',
             $q$SELECT CASE WHEN pg_is_in_recovery() THEN 'a standby'
                            WHEN current_setting('transaction_read_only') = 'on'
                            THEN 'read-only' ELSE 'accepts writes' END,
                       current_setting('transaction_read_only') = 'off'
             $q$,
             'it can grant numbers',
             'it grants none: nginx goes on to the next host'),

            ('functions',
             $q$SELECT coalesce(string_agg(f, ', '), 'all are there'),
                       count(*) = 0
                  FROM unnest(ARRAY['pg_control_system()',
                           'pg_current_wal_lsn()', 'pg_walfile_name(pg_lsn)',
                           'pg_is_in_recovery()', 'pg_current_xact_id()',
                           'gen_random_uuid()', 'sha256(bytea)',
                           'set_config(text,text,boolean)',
                           'pg_has_role(name,oid,text)', 'inet_client_addr()',
                           'pg_advisory_xact_lock(bigint)']) AS f
                 WHERE coalesce(has_function_privilege(to_regprocedure(f),
                                                       'EXECUTE'), false)
                       IS FALSE
             $q$,
             'a reservation may call what it needs',
             'these are missing, or the role may not call them: not supported'
             ' without them'),

            ('system identifier',
             $q$SELECT system_identifier::text, true FROM pg_control_system()
             $q$,
             'tells this cluster from another: after a dump, or pg_upgrade',
             'a range cannot tell its cluster from another: not supported'),

            ('timeline',
             $q$SELECT CASE WHEN pg_is_in_recovery()
                            THEN 'a standby does not tell'
                            ELSE ('x' || left(pg_walfile_name(
                                                  pg_current_wal_lsn()), 8))
                                 ::bit(32)::bigint::text END,
                       CASE WHEN NOT pg_is_in_recovery() THEN true END
             $q$,
             'tells a standby that was promoted, or a recovery',
             'a range cannot tell a standby that was promoted: not supported,'
             ' unless it is a standby that does not tell'),

            ('superuser',
             $q$SELECT format('role %s is %s', current_user,
                              CASE WHEN rolsuper THEN 'one' ELSE 'none' END),
                       true
                  FROM pg_roles WHERE rolname = current_user
             $q$,
             'none is needed',
             'none is needed'),

            ('schema unique_random',
             $q$SELECT CASE WHEN n.oid IS NULL
                            THEN 'is not there yet' ELSE 'is there' END,
                       CASE WHEN n.oid IS NULL
                            THEN has_database_privilege(current_database(),
                                                        'CREATE')
                            ELSE pg_has_role(n.nspowner, 'USAGE') END
                  FROM (VALUES (to_regnamespace('unique_random'))) AS v (oid)
                  LEFT JOIN pg_namespace n ON n.oid = v.oid
             $q$,
             'this role may run schema.sql',
             'this role may not run schema.sql: that takes CREATE on the'
             ' database, or membership in the owner of the schema'),

            ('role unique_random',
             $q$SELECT CASE WHEN v.oid IS NULL
                            THEN 'is not there yet' ELSE 'is there' END,
                       v.oid IS NOT NULL OR r.rolcreaterole OR r.rolsuper
                  FROM (VALUES (to_regrole('unique_random'))) AS v (oid),
                       pg_roles r
                 WHERE r.rolname = current_user
             $q$,
             'nginx gets its rights by it',
             'somebody who may has to run CREATE ROLE unique_random NOLOGIN;'
             ' first'),

            ('fsync',
             $q$SELECT current_setting('fsync'),
                       current_setting('fsync') = 'on'
             $q$,
             'a commit survives a crash',
             'a commit may be lost in a crash: nothing is granted'),

            ('full_page_writes',
             $q$SELECT current_setting('full_page_writes'),
                       nullif(current_setting('full_page_writes') = 'on', false)
             $q$,
             'a page survives a crash',
             'half a page may be lost in a crash, if the file system can write'
             ' half a page'),

            ('synchronous_commit',
             $q$SELECT current_setting('synchronous_commit'), true
             $q$,
             'whatever it is, a reservation commits with on or remote_apply',
             ''),

            ('transaction isolation',
             $q$SELECT current_setting('default_transaction_isolation'),
                       nullif(current_setting('default_transaction_isolation')
                              = 'read committed', false)
             $q$,
             'reservations wait for each other',
             'of reservations that meet, all but one are tried again'),

            ('wal_level',
             $q$SELECT current_setting('wal_level'),
                       nullif(current_setting('wal_level') <> 'minimal', false)
             $q$,
             'it can have standbys',
             'it can have no standby'),

            ('synchronous replication',
             $q$SELECT format('synchronous_standby_names is "%s",'
                              ' max_wal_senders is %s',
                              current_setting('synchronous_standby_names'),
                              current_setting('max_wal_senders')),
                       nullif(current_setting('synchronous_standby_names') <> ''
                              AND current_setting('max_wal_senders')::integer
                                  > 0, false)
             $q$,
             'commits wait for a standby: failover=trust may be used if only a'
             ' standby that was waited for can be promoted',
             'commits wait for no standby that PostgreSQL knows: with'
             ' failover=trust a failover fences a range or, if a standby was'
             ' waited for at its last grant, has it wait for'
             ' synchronous_standby_names; use fence, or advance:N'),

            ('recovery target',
             $q$SELECT coalesce(string_agg(name, ', ' ORDER BY name), 'none'),
                       nullif(count(*) = 0, false)
                  FROM pg_settings
                 WHERE name IN ('recovery_target', 'recovery_target_lsn',
                                'recovery_target_name', 'recovery_target_time',
                                'recovery_target_xid')
                   AND setting <> ''
             $q$,
             'a later timeline is taken for that of a promotion, also where a'
             ' backup was recovered to the end of its WAL',
             'recovered to a point in time: a later timeline fences, whatever'
             ' failover is; once these settings are taken back, which takes a'
             ' restart, it is taken for that of a promotion')
        ) AS v (capability, query, ok, missing)
    LOOP
        BEGIN
            EXECUTE p.query INTO said, good;

        EXCEPTION
            WHEN OTHERS THEN
                said := SQLERRM;
                good := false;
        END;

        found := found || jsonb_build_object(
            'capability', p.capability, 'ok', good, 'value', said,
            'meaning', CASE WHEN good THEN p.ok ELSE p.missing END);
    END LOOP;

    PERFORM set_config('unique_random.found', found::text, true);
END
$$;

SELECT t.capability, t.ok, t.value, t.meaning
  FROM jsonb_to_recordset(current_setting('unique_random.found')::jsonb)
       AS t (capability text, ok boolean, value text, meaning text);

COMMIT;
