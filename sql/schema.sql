-- The database's side of unique_random: one row a range, and the one
-- statement that reserves positions of it.
--
-- Run it with psql as the owner of the database, as often as you like:
--
--     psql -d numbers -f schema.sql
--
-- "bootstrap on" runs the same text.  It changes nothing that is already
-- there, and two that run it at once wait for each other.  Whoever runs it, all
-- belongs to the owner of what is there already.
--
-- A position is granted at most once, ever.  So nothing here may lower
-- "reserved", change "key", or write a row of "ranges" behind the back of
-- these functions: a row that somebody else has written grants nothing until
-- unique_random.accept() has been called for it.
--
-- A running nginx is a member of the role "unique_random".  It may call
-- reserve(), give_back() and domain(), which run as the owner, and has no right
-- to any table.
--
-- Over an earlier schema: every row stays, and an nginx with an earlier module
-- goes on; that is supported until the next major version.  What such an nginx
-- was granted before, it cannot give back any more.  Columns are added under an
-- ACCESS EXCLUSIVE lock on "ranges" and "holders" that lasts two statements,
-- milliseconds; if it is not to be had within 2 s, since somebody is in a long
-- transaction, as pg_dump is, nothing is changed, but all reservations have waited
-- behind it: run it again when that one has ended.  At the end the rows of ranges
-- whose returned positions are not joined and counted yet are locked for that:
-- about 1 s for 300,000 intervals, nothing if there are few.  The rights on the
-- tables that the role had stay until SELECT unique_random.revoke_tables();

BEGIN;

SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;

SET LOCAL lock_timeout = '60s';

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7959390389040738153); END $$;

CREATE SCHEMA IF NOT EXISTS unique_random;


-- The role of a running nginx: GRANT unique_random TO nginx;
-- Roles belong to the whole cluster, so another database may have made it,
-- or be about to, and whoever owns this one need not be allowed to.

DO $$
BEGIN
    IF to_regrole('unique_random') IS NULL THEN
        CREATE ROLE unique_random NOLOGIN;
    END IF;

EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL;

    WHEN insufficient_privilege THEN
        RAISE WARNING 'role "unique_random" was not created: %; let somebody'
                      ' who may run CREATE ROLE unique_random NOLOGIN; and'
                      ' then run schema.sql again, or SELECT'
                      ' unique_random.grant_to(''unique_random'');', SQLERRM;
END
$$;


-- From here on as the owner, so that nobody else owns a part.

DO $$
DECLARE
    owner name;
BEGIN
    SELECT pg_get_userbyid(coalesce(c.relowner, n.nspowner)) INTO owner
      FROM pg_namespace n
      LEFT JOIN pg_class c ON c.oid = to_regclass('unique_random.ranges')
     WHERE n.nspname = 'unique_random';

    IF owner <> current_user THEN
        PERFORM set_config('role', owner, true);
    END IF;
END
$$;


-- A range of pool names: what makes "same pool" fit into a GiST exclusion
-- constraint without an extension.

DO $$
BEGIN
    IF to_regtype('unique_random.names') IS NULL THEN
        CREATE TYPE unique_random.names AS RANGE (
            subtype = text,
            collation = "C"
        );
    END IF;

-- its constructors belong to the superuser with whom the cluster began

EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION '%: role "%" may not call the functions of a type that'
                        ' it creates; as a superuser, run CREATE SCHEMA IF NOT'
                        ' EXISTS unique_random AUTHORIZATION %; ALTER DEFAULT'
                        ' PRIVILEGES FOR ROLE % IN SCHEMA unique_random GRANT'
                        ' EXECUTE ON FUNCTIONS TO %; and then run schema.sql'
                        ' again', SQLERRM, current_user,
                        quote_ident(current_user),
                        quote_ident(pg_get_userbyid(10)),
                        quote_ident(current_user)
        USING ERRCODE = 'insufficient_privilege';
END
$$;


CREATE TABLE IF NOT EXISTS unique_random.ranges (
    pool               text NOT NULL,
    first              bigint NOT NULL CHECK (first >= 0),
    last               bigint NOT NULL,
    algorithm          smallint NOT NULL DEFAULT 1 CHECK (algorithm = 1),
    key                bytea NOT NULL CHECK (length(key) = 32),
    reserved           bigint NOT NULL DEFAULT 0,
    granted            bigint NOT NULL DEFAULT 0,
    serial             bigint NOT NULL DEFAULT 0,
    epoch              bigint NOT NULL DEFAULT 1,
    incarnation        uuid NOT NULL DEFAULT gen_random_uuid(),
    fenced             text,
    failover           text NOT NULL DEFAULT 'fence',
    system_identifier  bigint NOT NULL,
    timeline           bigint NOT NULL,
    database           oid NOT NULL,
    relation           oid NOT NULL,
    writer             xid8 NOT NULL,
    role               text NOT NULL DEFAULT 'unique_random',
    returned           bigint NOT NULL DEFAULT 0,
    returned_from      bigint NOT NULL DEFAULT 0,
    pruned             bigint NOT NULL DEFAULT 0,
    synchronous        boolean NOT NULL DEFAULT false,
    began_at           bigint,
    size               bigint,
    domain             bytea,
    advance            bigint,
    began              text,

    PRIMARY KEY (pool, first),

    CONSTRAINT ranges_bounds
        CHECK (first <= last AND last - first < 9223372036854775807),

    CONSTRAINT ranges_reserved
        CHECK (reserved >= 0 AND reserved - 1 <= last - first),

    CONSTRAINT ranges_domain
        CHECK (CASE WHEN size IS NULL THEN domain IS NULL
                    ELSE (length(domain) = 32
                          AND size >= reserved AND size - 1 <= last - first
                          AND last - first < 1073741824) IS TRUE
               END),

    CONSTRAINT ranges_failover
        CHECK (CASE failover WHEN 'advance'
                    THEN (advance BETWEEN 1 AND 4611686018427387904) IS TRUE
                    ELSE failover IN ('fence', 'trust') AND advance IS NULL
               END),

    -- numrange, since the upper bound of int8range overflows at 2^63-1
    CONSTRAINT ranges_overlap EXCLUDE USING gist (
        unique_random.names(pool, pool, '[]') WITH &&,
        numrange(first, last, '[]') WITH &&
    )
);


CREATE TABLE IF NOT EXISTS unique_random.holders (
    holder  uuid NOT NULL,
    pool    text NOT NULL,
    first   bigint NOT NULL,
    serial  bigint NOT NULL,
    starts  bigint[] NOT NULL DEFAULT '{}',
    stops   bigint[] NOT NULL DEFAULT '{}',

    PRIMARY KEY (pool, first, holder)
);


CREATE TABLE IF NOT EXISTS unique_random.returned (
    pool    text NOT NULL,
    first   bigint NOT NULL,
    start   bigint NOT NULL CHECK (start >= 0),
    stop    bigint NOT NULL,

    PRIMARY KEY (pool, first, start),
    CHECK (start < stop)
);


-- Of a range that was adopted, which numbers it has.  The chunks are there
-- before the row in "ranges" is, so that this one is made in no time.

CREATE TABLE IF NOT EXISTS unique_random.domains (
    pool   text NOT NULL,
    first  bigint NOT NULL,
    chunk  integer NOT NULL CHECK (chunk >= 0),
    bits   bytea NOT NULL CHECK (length(bits) BETWEEN 1 AND 131072),

    PRIMARY KEY (pool, first, chunk)
);


-- Adoptions under way.  A regclass, which a dump has as a name.

CREATE TABLE IF NOT EXISTS unique_random.adoptions (
    pool       text NOT NULL,
    first      bigint NOT NULL,
    last       bigint NOT NULL,
    relation   regclass NOT NULL,
    attribute  name NOT NULL,

    PRIMARY KEY (pool, first)
);


CREATE TABLE IF NOT EXISTS unique_random.adoption_changes (
    pool    text NOT NULL,
    first   bigint NOT NULL,
    number  bigint NOT NULL
);

CREATE INDEX IF NOT EXISTS adoption_changes_number
    ON unique_random.adoption_changes (pool, first, number);


-- What an earlier schema does not have.  No default may make PostgreSQL rewrite
-- "ranges", which would fence every range.  How the last grant of an earlier
-- schema was committed is not known: "synchronous" is false until the next one.

SET LOCAL lock_timeout = '2s';

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute a
                    WHERE a.attrelid = 'unique_random.ranges'::regclass
                      AND a.attname = 'synchronous')
    THEN
        ALTER TABLE unique_random.ranges
            ADD IF NOT EXISTS role text NOT NULL DEFAULT 'unique_random',
            ADD IF NOT EXISTS returned bigint NOT NULL DEFAULT 0,
            ADD IF NOT EXISTS returned_from bigint NOT NULL DEFAULT 0,
            ADD IF NOT EXISTS pruned bigint NOT NULL DEFAULT 0,
            ADD IF NOT EXISTS synchronous boolean NOT NULL DEFAULT false;

        ALTER TABLE unique_random.holders
            ADD IF NOT EXISTS starts bigint[] NOT NULL DEFAULT '{}',
            ADD IF NOT EXISTS stops bigint[] NOT NULL DEFAULT '{}';
    END IF;

    IF NOT EXISTS (SELECT FROM pg_attribute a
                    WHERE a.attrelid = 'unique_random.ranges'::regclass
                      AND a.attname = 'began_at')
    THEN
        ALTER TABLE unique_random.ranges ADD began_at bigint;
    END IF;

    IF NOT EXISTS (SELECT FROM pg_attribute a
                    WHERE a.attrelid = 'unique_random.ranges'::regclass
                      AND a.attname = 'domain')
    THEN
        ALTER TABLE unique_random.ranges
            ADD size bigint,
            ADD domain bytea,
            ADD CONSTRAINT ranges_domain
                CHECK (CASE WHEN size IS NULL THEN domain IS NULL
                            ELSE (length(domain) = 32
                                  AND size >= reserved
                                  AND size - 1 <= last - first
                                  AND last - first < 1073741824) IS TRUE
                       END);
    END IF;

    IF NOT EXISTS (SELECT FROM pg_attribute a
                    WHERE a.attrelid = 'unique_random.ranges'::regclass
                      AND a.attname = 'advance')
    THEN
        ALTER TABLE unique_random.ranges
            ADD advance bigint,
            ADD began text,
            DROP CONSTRAINT IF EXISTS ranges_failover_check,
            ADD CONSTRAINT ranges_failover
                CHECK (CASE failover WHEN 'advance'
                            THEN (advance BETWEEN 1 AND 4611686018427387904)
                                 IS TRUE
                            ELSE failover IN ('fence', 'trust')
                                 AND advance IS NULL
                       END);
    END IF;

    -- compressed or moved to another table, they would cost each reservation

    IF EXISTS (SELECT FROM pg_attribute a
                WHERE a.attrelid = 'unique_random.holders'::regclass
                  AND a.attname = 'starts' AND a.attstorage <> 'p')
    THEN
        ALTER TABLE unique_random.holders
            ALTER starts SET STORAGE PLAIN,
            ALTER stops SET STORAGE PLAIN;
    END IF;
END
$$;

COMMIT;


BEGIN;

SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;
SET LOCAL lock_timeout = '60s';

DO $$
BEGIN
    PERFORM pg_advisory_xact_lock(7959390389040738153);

    PERFORM set_config('role', pg_get_userbyid(c.relowner), true)
       FROM pg_class c
      WHERE c.oid = 'unique_random.ranges'::regclass
        AND pg_get_userbyid(c.relowner) <> current_user;
END
$$;

COMMENT ON SCHEMA unique_random IS
    'unique random numbers: ranges, and the positions of them that are reserved';

COMMENT ON TYPE unique_random.names IS
    'a range of pool names, for the constraint that no ranges of a pool overlap';

COMMENT ON TABLE unique_random.ranges IS
    'the numbers first..last of a pool; positions [0, reserved) are claimed';
COMMENT ON COLUMN unique_random.ranges.pool IS
    'the name after unique_random_pool';
COMMENT ON COLUMN unique_random.ranges.first IS
    'the lowest number';
COMMENT ON COLUMN unique_random.ranges.last IS
    'the highest number';
COMMENT ON COLUMN unique_random.ranges.algorithm IS
    'how the key makes numbers of positions';
COMMENT ON COLUMN unique_random.ranges.key IS
    'secret of the permutation: never changes; back it up';
COMMENT ON COLUMN unique_random.ranges.reserved IS
    'positions below it are claimed; never goes down';
COMMENT ON COLUMN unique_random.ranges.granted IS
    'size of the last grant';
COMMENT ON COLUMN unique_random.ranges.serial IS
    'counts the grants: the time as this range knows it';
COMMENT ON COLUMN unique_random.ranges.epoch IS
    'accept() raises it and renews the incarnation';
COMMENT ON COLUMN unique_random.ranges.incarnation IS
    'tells two lives with the same epoch apart';
COMMENT ON COLUMN unique_random.ranges.fenced IS
    'why nothing is granted until accept() is called, or NULL';
COMMENT ON COLUMN unique_random.ranges.failover IS
    'fence; or trust: after a failover a range that is synchronous goes on as soon as synchronous_standby_names is set; or advance: it goes on and skips';
COMMENT ON COLUMN unique_random.ranges.system_identifier IS
    'cluster that the row was written in';
COMMENT ON COLUMN unique_random.ranges.timeline IS
    'timeline that the last grant was written in';
COMMENT ON COLUMN unique_random.ranges.database IS
    'OID of the database that the row was written in';
COMMENT ON COLUMN unique_random.ranges.relation IS
    'OID of the table that the row was written in';
COMMENT ON COLUMN unique_random.ranges.writer IS
    'transaction that wrote this row; equals xmin unless somebody else has; 0 if somebody else had before';
COMMENT ON COLUMN unique_random.ranges.role IS
    'role whose members may use the pool, and have the key: set_role()';
COMMENT ON COLUMN unique_random.ranges.returned IS
    'how many positions are in unique_random.returned';
COMMENT ON COLUMN unique_random.ranges.returned_from IS
    'no interval in unique_random.returned starts below it';
COMMENT ON COLUMN unique_random.ranges.pruned IS
    'highest serial of the holders that were deleted for their number';
COMMENT ON COLUMN unique_random.ranges.synchronous IS
    'whether the commit of the last grant, or of add() or accept() since, waited for a standby, as far as the settings say';
COMMENT ON COLUMN unique_random.ranges.began_at IS
    'how many positions were claimed before this life, if a failover has begun it';
COMMENT ON COLUMN unique_random.ranges.size IS
    'how many of the numbers a range has that was adopted; NULL: all';
COMMENT ON COLUMN unique_random.ranges.domain IS
    'SHA-256 of the SHA-256 of each chunk of its numbers in unique_random.domains, or NULL';

COMMENT ON COLUMN unique_random.ranges.advance IS
    'how many positions a failover skips at least, or NULL';
COMMENT ON COLUMN unique_random.ranges.began IS
    'how this life began, if a failover has begun it';

COMMENT ON TABLE unique_random.holders IS
    'what was granted to each nginx: the 100 that were the last to reserve';
COMMENT ON COLUMN unique_random.holders.holder IS
    'random name of the shared memory of an nginx';
COMMENT ON COLUMN unique_random.holders.pool IS
    'pool of the range';
COMMENT ON COLUMN unique_random.holders.first IS
    'first number of the range';
COMMENT ON COLUMN unique_random.holders.serial IS
    'serial of its last grant';
COMMENT ON COLUMN unique_random.holders.starts IS
    'positions granted to it in this life of the range and not given back: the latest 128 intervals [start, stop), oldest first';
COMMENT ON COLUMN unique_random.holders.stops IS
    'the ends of these intervals';

COMMENT ON TABLE unique_random.returned IS
    'positions [start, stop) given back unissued by a clean stop';
COMMENT ON COLUMN unique_random.returned.pool IS
    'pool of the range';
COMMENT ON COLUMN unique_random.returned.first IS
    'first number of the range';
COMMENT ON COLUMN unique_random.returned.start IS
    'the first position';
COMMENT ON COLUMN unique_random.returned.stop IS
    'the position after the last';

COMMENT ON TABLE unique_random.domains IS
    'the numbers of ranges that were adopted: never changes; back it up';
COMMENT ON COLUMN unique_random.domains.pool IS
    'pool of the range';
COMMENT ON COLUMN unique_random.domains.first IS
    'first number of the range';
COMMENT ON COLUMN unique_random.domains.chunk IS
    'it is about the numbers from first + chunk * 1048576 on';
COMMENT ON COLUMN unique_random.domains.bits IS
    'a bit for each of up to 1048576 numbers, by get_bit(): 1 if the range has it';

COMMENT ON TABLE unique_random.adoptions IS
    'adoptions that adopt_prepare() has begun';
COMMENT ON COLUMN unique_random.adoptions.pool IS
    'pool of the range';
COMMENT ON COLUMN unique_random.adoptions.first IS
    'first number of the range';
COMMENT ON COLUMN unique_random.adoptions.last IS
    'last number of the range';
COMMENT ON COLUMN unique_random.adoptions.relation IS
    'the table that has a row for each number that was given out';
COMMENT ON COLUMN unique_random.adoptions.attribute IS
    'the column of it that has the number';

COMMENT ON TABLE unique_random.adoption_changes IS
    'which numbers have come or gone in a table since: filled by a trigger';
COMMENT ON COLUMN unique_random.adoption_changes.pool IS
    'pool of the range';
COMMENT ON COLUMN unique_random.adoption_changes.first IS
    'first number of the range';
COMMENT ON COLUMN unique_random.adoption_changes.number IS
    'the number, to be looked at again';


-- Of an earlier schema: as another signature, a second function by this name.

DROP FUNCTION IF EXISTS
    unique_random.add(text, bigint, bigint, bytea, bigint, text),
    unique_random.add(text, bigint, bigint, bytea, bigint, text, bigint),
    unique_random.accept(text, bigint, bigint, bigint),
    unique_random.set_failover(text, bigint, text),
    unique_random.bootstrap(text, bigint[], bigint[], text);


-- Every function has its search_path, so that what it calls is PostgreSQL's own
-- whatever else is in the database.  set_config(..., true) in reserve() lasts
-- until its transaction ends all the same.
--
-- PL/pgSQL, since that plans a query once a session, which a function in SQL
-- that is not inlined does at each call.


-- The fingerprint: what tells one copy of a database from another.

-- The name of a WAL file has the timeline of now; pg_control_checkpoint() has
-- a stale one for minutes after a promotion.

CREATE OR REPLACE FUNCTION unique_random.timeline()
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))
           ::bit(32)::bigint;
END
$$;

COMMENT ON FUNCTION unique_random.timeline() IS
    'the timeline that this server writes';


CREATE OR REPLACE FUNCTION unique_random.fingerprint(
    OUT system_identifier bigint,
    OUT timeline bigint,
    OUT database oid,
    OUT relation oid,
    OUT permanent boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    system_identifier := (pg_control_system()).system_identifier;
    timeline := unique_random.timeline();

    SELECT d.oid, c.oid, c.relpersistence = 'p'
      INTO database, relation, permanent
      FROM pg_database d, pg_class c
     WHERE d.datname = current_database()
       AND c.oid = 'unique_random.ranges'::regclass;
END
$$;

COMMENT ON FUNCTION unique_random.fingerprint() IS
    'what tells this copy of the database from another';


-- PostgreSQL waits for no standby while max_wal_senders is 0, whatever else is
-- set; and what a standby has not flushed, it may lose with its power.

CREATE OR REPLACE FUNCTION unique_random.is_synchronous()
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN current_setting('synchronous_standby_names') <> ''
           AND current_setting('max_wal_senders')::integer > 0
           AND current_setting('synchronous_commit') IN ('on', 'remote_apply');
END
$$;

COMMENT ON FUNCTION unique_random.is_synchronous() IS
    'whether the commit of this transaction waits for a standby, as far as the settings say';


-- Before a range begins a life: a server that cannot tell itself from its
-- copies must not have one.

CREATE OR REPLACE FUNCTION unique_random.require_fingerprint()
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM unique_random.fingerprint();

EXCEPTION
    WHEN OTHERS THEN
        IF pg_is_in_recovery() THEN
            RAISE;
        END IF;

        RAISE EXCEPTION 'this server does not say which timeline it writes: %',
                        SQLERRM
        USING ERRCODE = 'feature_not_supported',
              HINT = 'pg_current_wal_lsn(), pg_walfile_name() and'
                     ' pg_control_system() tell a database from a copy of it.'
                     '  Servers without them, such as Amazon Aurora, are not'
                     ' supported.';
END
$$;

COMMENT ON FUNCTION unique_random.require_fingerprint() IS
    'raises an error on servers that cannot be supported';


-- Who wrote a row: "writer" must equal xmin.  In a subtransaction (a savepoint,
-- an EXCEPTION block, psql's ON_ERROR_ROLLBACK) xmin is the subtransaction's
-- id, which begins no earlier than the transaction's own.

CREATE OR REPLACE FUNCTION unique_random.full_xid(id xid)
RETURNS xid8
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    top bigint := pg_current_xact_id()::text::bigint;
BEGIN
    RETURN (top + ((id::text::bigint - top) & 4294967295))::text::xid8;
END
$$;

COMMENT ON FUNCTION unique_random.full_xid(xid) IS
    'the id of this transaction or of a part of it, with its epoch';


CREATE OR REPLACE FUNCTION unique_random.sign(of_pool text, of_first bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE unique_random.ranges t
       SET writer = unique_random.full_xid(t.xmin)
     WHERE t.pool = of_pool AND t.first = of_first
       AND t.writer = pg_current_xact_id()
       AND t.xmin <> t.writer::xid;
END
$$;

COMMENT ON FUNCTION unique_random.sign(text, bigint) IS
    'makes "writer" equal to xmin in a row that the caller has just written';


-- Where PostgreSQL runs what belongs to somebody else (an index on an expression
-- that is analyzed, a materialized view that is refreshed), session_user is not
-- who asks.  Nothing else tells; but no cursor WITH HOLD is to be had there.

CREATE OR REPLACE FUNCTION unique_random.require_caller()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE 'DECLARE unique_random CURSOR WITH HOLD FOR SELECT';
    EXECUTE 'CLOSE unique_random';
END
$$;

COMMENT ON FUNCTION unique_random.require_caller() IS
    'raises an error where session_user is not who calls';


-- The owner may use all pools, and so may a superuser: these are members of
-- every role.  Here, current_user is the owner.

CREATE OR REPLACE FUNCTION unique_random.may_use(role text)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce(pg_has_role(session_user, to_regrole(quote_ident(role)),
                                'MEMBER'), false)
           OR pg_has_role(session_user, current_user, 'MEMBER');
END
$$;

COMMENT ON FUNCTION unique_random.may_use(text) IS
    'whether who has logged in may use the pools of this role';


-- What a range is known by: another key, or the same over other numbers, is
-- another range.

CREATE OR REPLACE FUNCTION unique_random.digest(key bytea, domain bytea)
RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN encode(sha256(key || coalesce(domain, '')), 'hex');
END
$$;

COMMENT ON FUNCTION unique_random.digest(bytea, bytea) IS
    'SHA-256 of a key, and of the domain if the range has one';


-- Why a range is missing to the caller, or NULL.

CREATE OR REPLACE FUNCTION unique_random.whereabouts(
    of_pool text,
    of_first bigint,
    of_last bigint)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    t record;
BEGIN
    SELECT r.role INTO t
      FROM unique_random.ranges r
     WHERE r.pool = of_pool AND r.first = of_first;

    IF FOUND THEN
        RETURN format('pool "%s" is for members of role "%s"', of_pool, t.role);
    END IF;

    IF EXISTS (SELECT FROM unique_random.adoptions a
                WHERE a.pool = of_pool AND a.first = of_first)
    THEN
        RETURN 'it is prepared, and adopt() has not been called yet';
    END IF;

    SELECT r.pool INTO t
      FROM unique_random.ranges r
     WHERE r.first <= of_last AND r.last >= of_first AND r.pool <> of_pool
       AND unique_random.may_use(r.role)
     ORDER BY (r.first = of_first AND r.last = of_last) DESC, r.pool
     LIMIT 1;

    IF FOUND THEN
        RETURN format('pool "%s" has it', t.pool);
    END IF;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION unique_random.whereabouts(text, bigint, bigint) IS
    'what is said of a range that is missing';


-- Of which failover the setting of a server tells that it was none.

CREATE OR REPLACE FUNCTION unique_random.is_recovered()
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN concat(current_setting('recovery_target'),
                  current_setting('recovery_target_lsn'),
                  current_setting('recovery_target_name'),
                  current_setting('recovery_target_time'),
                  current_setting('recovery_target_xid')) <> '';
END
$$;

COMMENT ON FUNCTION unique_random.is_recovered() IS
    'whether this server was recovered to a point in time, as far as the settings say';


-- How many positions the range r has to skip before it is granted from, since a
-- standby was promoted that may have lagged; or NULL.  Each timeline since the
-- last grant counts: what was skipped on one of them may be lost as well.

CREATE OR REPLACE FUNCTION unique_random.to_skip(r unique_random.ranges)
RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    promotions bigint;
BEGIN
    IF r.failover <> 'advance' THEN
        RETURN NULL;
    END IF;

    promotions := unique_random.timeline() - r.timeline;

    IF promotions <= 0 OR unique_random.is_recovered() THEN
        RETURN NULL;
    END IF;

    RETURN least(promotions::numeric * r.advance,
                 coalesce(r.size, r.last - r.first + 1) - r.reserved);
END
$$;

COMMENT ON FUNCTION unique_random.to_skip(unique_random.ranges) IS
    'how many positions a failover makes a range skip, or NULL';


-- I7: why the range r must not be granted from, whoever asks, or NULL.  A later
-- timeline is trusted where the last grant is known to have reached a standby,
-- and what comes next can; or if more is skipped than a standby may lack.  One
-- that a recovery has begun is not: it leaves out what it was told to.

CREATE OR REPLACE FUNCTION unique_random.contradiction(
    r unique_random.ranges,
    written_here boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    f record;
BEGIN
    f := unique_random.fingerprint();

    IF r.system_identifier <> f.system_identifier THEN
        RETURN format('system identifier is %s instead of %s',
                      f.system_identifier, r.system_identifier);
    END IF;

    IF r.database <> f.database THEN
        RETURN format('database OID is %s instead of %s',
                      f.database, r.database);
    END IF;

    IF r.relation <> f.relation THEN
        RETURN format('table OID is %s instead of %s',
                      f.relation, r.relation);
    END IF;

    IF NOT f.permanent THEN
        RETURN 'the table is unlogged or temporary';
    END IF;

    IF r.timeline <> f.timeline
       AND NOT (r.failover = 'trust' AND r.timeline < f.timeline
                AND r.synchronous
                AND current_setting('max_wal_senders')::integer > 0
                AND NOT unique_random.is_recovered())
       AND unique_random.to_skip(r) IS NULL
    THEN
        RETURN format('timeline is %s instead of %s', f.timeline, r.timeline)
               || CASE WHEN r.failover <> 'fence' AND r.timeline < f.timeline
                            AND unique_random.is_recovered()
                       THEN ', by a recovery to a point in time' ELSE ''
                  END;
    END IF;

    IF NOT written_here THEN
        RETURN 'the row was not written by a reservation';
    END IF;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION unique_random.contradiction(
    unique_random.ranges, boolean) IS
    'what the row of a range has against itself, or NULL';


-- Why the range r, which nothing is wrong with, is not granted from yet, or
-- NULL.  What manages synchronous replication may leave the setting empty for a
-- while when it promotes: that is no fact of the range, so nothing of it is
-- stored.

CREATE OR REPLACE FUNCTION unique_random.deferral(r unique_random.ranges)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    timeline bigint;
BEGIN
    IF r.failover <> 'trust'
       OR current_setting('synchronous_standby_names') <> ''
    THEN
        RETURN NULL;
    END IF;

    timeline := unique_random.timeline();

    IF r.timeline < timeline THEN
        RETURN format('timeline is %s instead of %s, trust waits for'
                      ' synchronous_standby_names', timeline, r.timeline);
    END IF;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION unique_random.deferral(unique_random.ranges) IS
    'why a range has to wait before it goes on after a failover, or NULL';


-- I8: what the caller remembers of the range r and the range does not, or NULL.
-- Zero and NULL say that it remembers nothing.

CREATE OR REPLACE FUNCTION unique_random.forgotten(
    r unique_random.ranges,
    holder uuid,
    holder_serial bigint,
    seen_epoch bigint,
    seen_serial bigint,
    seen_reserved bigint,
    seen_timeline bigint)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    h bigint;
BEGIN
    IF r.reserved < seen_reserved THEN
        RETURN format('reserved is %s, but %s were seen to be reserved',
                      r.reserved, seen_reserved);
    END IF;

    IF r.epoch > seen_epoch THEN

        -- others may have been granted since what was not skipped

        IF r.began_at < seen_reserved THEN
            RETURN format('this life began at position %s, but %s were seen to'
                          ' be reserved before', r.began_at, seen_reserved);
        END IF;

        RETURN NULL;
    END IF;

    IF r.serial < seen_serial THEN
        RETURN format('serial is %s, but %s was seen', r.serial, seen_serial);
    END IF;

    IF seen_timeline > 0 AND unique_random.timeline() < seen_timeline THEN
        RETURN format('timeline is %s, but %s was seen',
                      unique_random.timeline(), seen_timeline);
    END IF;

    IF holder_serial > 0 THEN
        SELECT t.serial INTO h FROM unique_random.holders t
         WHERE t.pool = r.pool AND t.first = r.first
           AND t.holder = forgotten.holder;

        -- one that was pruned is not known by its serial any more

        IF coalesce(h, r.pruned) < holder_serial THEN
            RETURN format('the grant with serial %s is forgotten',
                          holder_serial);
        END IF;
    END IF;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION unique_random.forgotten(
    unique_random.ranges, uuid, bigint, bigint, bigint, bigint, bigint) IS
    'what a range has forgotten of what the caller remembers, or NULL';


CREATE OR REPLACE FUNCTION unique_random.says(what text, holder uuid)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN what || format(', says nginx %s (role %s%s)', left(holder::text, 8),
                          session_user,
                          ', ' || host(inet_client_addr()));
END
$$;

COMMENT ON FUNCTION unique_random.says(text, uuid) IS
    'adds who said so';


-- Why the caller and this range do not belong together, if so: the refusals
-- mismatch, stale and fenced of reserve(); or why they have to wait: deferred;
-- or what comes before: advance.
-- "verdict" is what the row has to remember, for all callers: what the row has
-- against itself, and what a caller says that has proved by the key's digest
-- that it means this range.

CREATE OR REPLACE FUNCTION unique_random.judge(
    r unique_random.ranges,
    written_here boolean,
    of_last bigint,
    holder uuid,
    holder_serial bigint,
    seen_epoch bigint,
    seen_incarnation uuid,
    seen_serial bigint,
    seen_reserved bigint,
    seen_timeline bigint,
    seen_digest text,
    OUT refusal text,
    OUT detail text,
    OUT verdict text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    skip constant bigint := unique_random.to_skip(r);
BEGIN
    IF r.last IS DISTINCT FROM of_last THEN
        refusal := 'mismatch';
        RETURN;
    END IF;

    -- another key is another range, of a caller at the wrong database

    IF unique_random.digest(r.key, r.domain) <> seen_digest THEN
        refusal := 'fenced';
        detail := 'the key has changed';
        RETURN;
    END IF;

    -- the same one in an earlier life is a host that was left behind: a later
    -- life may have granted all that this one thinks is free

    IF r.epoch < seen_epoch
       OR r.epoch = seen_epoch AND r.incarnation <> seen_incarnation
    THEN
        refusal := 'stale';
        detail := format('a later life of the range has been seen: epoch %s,'
                         ' this copy has epoch %s%s', seen_epoch, r.epoch,
                         CASE WHEN r.epoch = seen_epoch
                              THEN ' of another incarnation'
                         END);

        IF r.fenced IS NULL AND seen_digest IS NOT NULL THEN
            verdict := unique_random.says(detail, holder);
        END IF;

        RETURN;
    END IF;

    detail := r.fenced;

    IF detail IS NULL THEN
        detail := unique_random.contradiction(r, written_here);
        verdict := detail;
    END IF;

    -- what is forgotten is made up for, if it is no more than is skipped, and
    -- was not granted before

    IF detail IS NULL
       AND (skip IS NULL OR r.reserved + skip < seen_reserved
            OR r.timeline < seen_timeline
            OR (r.epoch > seen_epoch AND r.began_at < seen_reserved))
    THEN
        detail := unique_random.says(
            unique_random.forgotten(r, holder, holder_serial, seen_epoch,
                                    seen_serial, seen_reserved, seen_timeline),
            holder);

        IF seen_digest IS NOT NULL THEN
            verdict := detail;
        END IF;
    END IF;

    IF detail IS NOT NULL THEN
        refusal := 'fenced';
        RETURN;
    END IF;

    IF skip IS NOT NULL THEN
        refusal := 'advance';
        detail := format('timeline is %s instead of %s',
                         unique_random.timeline(), r.timeline);
        RETURN;
    END IF;

    detail := unique_random.deferral(r);

    IF detail IS NOT NULL THEN
        refusal := 'deferred';
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.judge(
    unique_random.ranges, boolean, bigint, uuid, bigint, bigint, uuid, bigint,
    bigint, bigint, text) IS
    'why the caller and a range do not belong together, or have to wait, or NULL';


-- What a holder was granted: disjoint intervals, each joined with the ones that
-- it touches, the latest last.

CREATE OR REPLACE FUNCTION unique_random.with_interval(
    INOUT starts bigint[],
    INOUT stops bigint[],
    start bigint,
    stop bigint)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before integer := array_position(stops, start);
    after integer := array_position(starts, stop);
    low bigint := coalesce(starts[before], start);
    high bigint := coalesce(stops[after], stop);
BEGIN
    IF before IS NOT NULL THEN
        starts := array_remove(starts, low);
        stops := array_remove(stops, start);
    END IF;

    IF after IS NOT NULL THEN
        starts := array_remove(starts, stop);
        stops := array_remove(stops, high);
    END IF;

    starts := starts || low;
    stops := stops || high;
END
$$;

COMMENT ON FUNCTION unique_random.with_interval(
    bigint[], bigint[], bigint, bigint) IS
    'intervals with one more, joined with those that it touches';


CREATE OR REPLACE FUNCTION unique_random.without_interval(
    INOUT starts bigint[],
    INOUT stops bigint[],
    start bigint,
    stop bigint)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    i integer := 1;
    low bigint;
    high bigint;
BEGIN
    WHILE NOT (starts[i] <= start AND stops[i] >= stop) LOOP
        i := i + 1;
    END LOOP;

    low := starts[i];
    high := stops[i];

    IF low IS NULL OR (start < stop) IS NOT TRUE THEN
        starts := NULL;
        stops := NULL;
        RETURN;
    END IF;

    -- what is left of it on both sides

    starts := starts[: i - 1]
              || array_remove(ARRAY[nullif(low, start), nullif(stop, high)],
                              NULL)
              || starts[i + 1 :];
    stops := stops[: i - 1]
             || array_remove(ARRAY[CASE WHEN low < start THEN start END,
                                   CASE WHEN stop < high THEN high END], NULL)
             || stops[i + 1 :];
END
$$;

COMMENT ON FUNCTION unique_random.without_interval(
    bigint[], bigint[], bigint, bigint) IS
    'intervals without one that lies in one of them; NULL if none has it';


CREATE OR REPLACE FUNCTION unique_random.latest(list bigint[])
RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN list[greatest(cardinality(list) - 127, 1) :];
END
$$;

COMMENT ON FUNCTION unique_random.latest(bigint[]) IS
    'the last 128 elements';


-- The new serial of a holder, and what it is granted with it.  Where there are
-- more than 128 intervals, the oldest are forgotten: they cannot be given back.
-- Of more than 100 holders, those stay that were the last to reserve; returned
-- is the highest serial of the others, if there are any.

CREATE OR REPLACE FUNCTION unique_random.remember(
    of_pool text,
    of_first bigint,
    of_holder uuid,
    new_serial bigint,
    new_starts bigint[],
    new_stops bigint[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    h record;
    known boolean;
    all_starts bigint[] := '{}';
    all_stops bigint[] := '{}';
    pruned bigint;
BEGIN
    SELECT t.starts, t.stops INTO h FROM unique_random.holders t
     WHERE t.pool = of_pool AND t.first = of_first AND t.holder = of_holder;

    known := FOUND;

    IF known THEN
        all_starts := h.starts;
        all_stops := h.stops;
    END IF;

    FOR i IN 1 .. cardinality(new_starts) LOOP
        h := unique_random.with_interval(all_starts, all_stops,
                                         new_starts[i], new_stops[i]);
        all_starts := h.starts;
        all_stops := h.stops;
    END LOOP;

    all_starts := unique_random.latest(all_starts);
    all_stops := unique_random.latest(all_stops);

    IF known THEN
        UPDATE unique_random.holders t
           SET serial = new_serial, starts = all_starts, stops = all_stops
         WHERE t.pool = of_pool AND t.first = of_first
           AND t.holder = of_holder;

        RETURN NULL;
    END IF;

    INSERT INTO unique_random.holders
           (holder, pool, first, serial, starts, stops)
    VALUES (of_holder, of_pool, of_first, new_serial, all_starts, all_stops);

    WITH gone AS (
        DELETE FROM unique_random.holders t
         WHERE t.pool = of_pool AND t.first = of_first
           AND t.serial <= (SELECT o.serial FROM unique_random.holders o
                             WHERE o.pool = of_pool AND o.first = of_first
                             ORDER BY o.serial DESC
                            OFFSET 100 LIMIT 1)
        RETURNING t.serial
    )
    SELECT max(g.serial) INTO pruned FROM gone g;

    RETURN pruned;
END
$$;

COMMENT ON FUNCTION unique_random.remember(
    text, bigint, uuid, bigint, bigint[], bigint[]) IS
    'notes a grant in holders; returns the highest serial that had to go';


-- Takes up to "want" positions out of "returned", as at most "places"
-- intervals.  Index entries of rows that are deleted stay until they are
-- vacuumed, which a long transaction prevents; so nothing looks below
-- "lowest", and what is left of an interval keeps its start.

CREATE OR REPLACE FUNCTION unique_random.recycle(
    of_pool text,
    of_first bigint,
    INOUT lowest bigint,
    want bigint,
    places integer,
    OUT starts bigint[],
    OUT stops bigint[],
    OUT count bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off AS $$
DECLARE
    t record;
    n integer := 0;
    part bigint;
    joined boolean;
    seen_from bigint := lowest;
BEGIN
    starts := '{}';
    stops := '{}';
    count := 0;

    FOR t IN
        SELECT b.start, b.stop FROM unique_random.returned b
         WHERE b.pool = of_pool AND b.first = of_first AND b.start >= lowest
         ORDER BY b.pool, b.first, b.start
    LOOP
        part := least(t.stop - t.start, want - count);
        joined := n > 0 AND stops[n] = t.start AND t.start + part = t.stop;

        IF part <= 0 OR (n >= places AND joined IS NOT TRUE) THEN
            lowest := t.start;
            EXIT;
        END IF;

        IF joined THEN
            stops[n] := t.stop;

        ELSE
            n := n + 1;
            starts[n] := t.stop - part;
            stops[n] := t.stop;
        END IF;

        count := count + part;
        lowest := t.stop;

        IF t.start + part < t.stop THEN
            UPDATE unique_random.returned b SET stop = t.stop - part
             WHERE b.pool = of_pool AND b.first = of_first
               AND b.start = t.start;

            lowest := t.start;
            EXIT;
        END IF;
    END LOOP;

    DELETE FROM unique_random.returned b
     WHERE b.pool = of_pool AND b.first = of_first
       AND b.start >= seen_from AND b.start < lowest;
END
$$;

COMMENT ON FUNCTION unique_random.recycle(
    text, bigint, bigint, bigint, integer) IS
    'takes positions out of "returned" to grant them again';


-- The grant: fresh positions first, then returned ones.  The caller has locked
-- the row of r.  Where there is nothing to grant, nothing changes.

CREATE OR REPLACE FUNCTION unique_random.grant_from(
    INOUT r unique_random.ranges,
    holder uuid,
    want bigint,
    places integer,
    OUT starts bigint[],
    OUT stops bigint[])
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fresh bigint := least(want, coalesce(r.size, r.last - r.first + 1)
                                - r.reserved);
    o record;
    v record;
    again bigint := 0;
    gone bigint;
BEGIN
    starts := '{}';
    stops := '{}';

    IF fresh > 0 THEN
        starts := ARRAY[r.reserved];
        stops := ARRAY[r.reserved + fresh];
    END IF;

    IF fresh < want AND cardinality(starts) < places THEN
        o := unique_random.recycle(r.pool, r.first, r.returned_from,
                                   want - fresh, places - cardinality(starts));
        again := o.count;
        starts := starts || o.starts;
        stops := stops || o.stops;
        r.returned_from := o.lowest;

        -- what was not found is not there, whatever was counted

        r.returned := CASE WHEN fresh + again < want
                                AND cardinality(starts) < places
                           THEN 0
                           ELSE greatest(r.returned - again, 0)
                      END;
    END IF;

    IF fresh + again = 0 THEN
        RETURN;
    END IF;

    gone := unique_random.remember(r.pool, r.first, holder, r.serial + 1,
                                   starts, stops);

    UPDATE unique_random.ranges t
       SET reserved = t.reserved + fresh,
           granted = fresh + again,
           serial = t.serial + 1,
           timeline = unique_random.timeline(),
           synchronous = unique_random.is_synchronous(),
           writer = pg_current_xact_id(),
           returned = r.returned,
           returned_from = r.returned_from,
           pruned = greatest(t.pruned, gone)
     WHERE t.pool = r.pool AND t.first = r.first
    RETURNING t AS range, t.xmin = t.writer::xid AS is_signed INTO v;

    r := v.range;

    IF NOT v.is_signed THEN
        PERFORM unique_random.sign(r.pool, r.first);
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.grant_from(
    unique_random.ranges, uuid, bigint, integer) IS
    'grants positions of a range that has been found in order';


-- A later life may have granted all that this one thinks is free, so whoever
-- finds a row wrong says so in it.  But without the lock accept() may have been
-- called since it was read; and no look waits for a lock.

CREATE OR REPLACE FUNCTION unique_random.fence(
    of_pool text,
    of_first bigint,
    version xid,
    why text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM unique_random.ranges t
      WHERE t.pool = of_pool AND t.first = of_first AND t.xmin = version
        FOR UPDATE SKIP LOCKED;

    IF FOUND THEN
        UPDATE unique_random.ranges t SET fenced = why
         WHERE t.pool = of_pool AND t.first = of_first;
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.fence(text, bigint, xid, text) IS
    'notes why a range must not be granted from';


-- A life of the range r begins here, after "target" positions.  How much of the
-- last one nginx have leased, and were to give back, does not matter any more.

CREATE OR REPLACE FUNCTION unique_random.begin_life(
    INOUT r unique_random.ranges,
    target bigint,
    after bigint,
    how text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    f record;
BEGIN
    DELETE FROM unique_random.holders t
     WHERE t.pool = r.pool AND t.first = r.first;

    DELETE FROM unique_random.returned t
     WHERE t.pool = r.pool AND t.first = r.first;

    f := unique_random.fingerprint();

    -- later than any life that some nginx may have seen of another copy

    UPDATE unique_random.ranges t
       SET reserved = target,
           granted = 0,
           returned = 0,
           returned_from = 0,
           pruned = 0,
           epoch = greatest(r.epoch + 1, after + 1,
                            extract(epoch FROM clock_timestamp())::bigint),
           incarnation = gen_random_uuid(),
           began = how,
           began_at = CASE WHEN how IS NOT NULL THEN target END,
           fenced = NULL,
           system_identifier = f.system_identifier,
           timeline = f.timeline,
           database = f.database,
           relation = f.relation,
           synchronous = unique_random.is_synchronous(),
           writer = pg_current_xact_id()
     WHERE t.pool = r.pool AND t.first = r.first
    RETURNING t.* INTO r;

    PERFORM unique_random.sign(r.pool, r.first);
END
$$;

COMMENT ON FUNCTION unique_random.begin_life(
    unique_random.ranges, bigint, bigint, text) IS
    'begins a life of a range for accept() and advance()';


-- The range r goes on after a failover: beyond all that is known to be reserved,
-- and what nobody here knows.  Each primary between, which this one may know
-- nothing of, began beyond what was granted before it, and has granted more: N
-- for either.  r is NULL if somebody else has the row.

CREATE OR REPLACE FUNCTION unique_random.advance(
    INOUT r unique_random.ranges,
    version xid,
    seen_reserved bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    size constant bigint := coalesce(r.size, r.last - r.first + 1);
    skip constant numeric := unique_random.to_skip(r);
    target bigint;
BEGIN
    PERFORM FROM unique_random.ranges t
      WHERE t.pool = r.pool AND t.first = r.first AND t.xmin = version
        FOR UPDATE SKIP LOCKED;

    IF NOT FOUND THEN
        r := NULL;
        RETURN;
    END IF;

    target := least(greatest(greatest(r.reserved, seen_reserved) + skip,
                             r.reserved + 2 * skip - r.advance),
                    size);

    r := unique_random.begin_life(
        r, target, NULL,
        CASE WHEN target > r.reserved
             THEN format('timeline is %s instead of %s, %s positions from %s on'
                         ' are skipped%s', unique_random.timeline(), r.timeline,
                         target - r.reserved, r.reserved,
                         CASE WHEN target = size
                              THEN ', which leaves none' END)
        END);
END
$$;

COMMENT ON FUNCTION unique_random.advance(
    unique_random.ranges, xid, bigint) IS
    'goes on with a range after a failover by skipping positions';


-- What reserve() says of one range.  "may_wait": for the lock of the row.

CREATE OR REPLACE FUNCTION unique_random.answer(
    of_pool text,
    of_first bigint,
    of_last bigint,
    holder uuid,
    holder_serial bigint,
    seen_epoch bigint,
    seen_incarnation uuid,
    seen_serial bigint,
    seen_reserved bigint,
    seen_timeline bigint,
    seen_digest text,
    want bigint,
    places integer,
    with_key boolean,
    may_wait boolean,
    OUT refusal text,
    OUT detail text,
    OUT pool text,
    OUT first bigint,
    OUT last bigint,
    OUT algorithm smallint,
    OUT digest text,
    OUT key text,
    OUT starts bigint[],
    OUT stops bigint[],
    OUT reserved bigint,
    OUT returned bigint,
    OUT serial bigint,
    OUT epoch bigint,
    OUT incarnation uuid,
    OUT timeline bigint,
    OUT failover text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    locked boolean := false;
    advanced boolean := false;
    v record;
    o record;
    r unique_random.ranges;
BEGIN
    pool := of_pool;
    first := of_first;
    starts := '{}';
    stops := '{}';

    IF want > 0 AND may_wait THEN
        PERFORM FROM unique_random.ranges t
          WHERE t.pool = of_pool AND t.first = of_first
            AND unique_random.may_use(t.role)
            FOR UPDATE;

        locked := FOUND;

    ELSIF want > 0 THEN
        PERFORM FROM unique_random.ranges t
          WHERE t.pool = of_pool AND t.first = of_first
            AND unique_random.may_use(t.role)
            FOR UPDATE SKIP LOCKED;

        locked := FOUND;
    END IF;

    -- by a snapshot that was taken after the lock

    SELECT t AS range, t.xmin AS version,
           t.xmin = t.writer::xid AS written_here
      INTO v
      FROM unique_random.ranges t
     WHERE t.pool = of_pool AND t.first = of_first
       AND unique_random.may_use(t.role);

    IF NOT FOUND THEN
        refusal := 'missing';
        detail := unique_random.whereabouts(of_pool, of_first, of_last);
        RETURN;
    END IF;

    IF want > 0 AND NOT locked THEN
        refusal := 'busy';
        RETURN;
    END IF;

    r := v.range;

    -- who has no key of it may take it for a range that was not adopted

    IF with_key AND r.domain IS NOT NULL THEN
        want := 0;
    END IF;

    o := unique_random.judge(r, v.written_here, of_last, holder, holder_serial,
                             seen_epoch, seen_incarnation, seen_serial,
                             seen_reserved, seen_timeline, seen_digest);
    refusal := o.refusal;
    detail := o.detail;

    IF o.verdict IS NOT NULL THEN
        PERFORM unique_random.fence(of_pool, of_first, v.version, o.verdict);
    END IF;

    IF refusal = 'advance' THEN
        r := unique_random.advance(r, v.version,
                                   CASE WHEN seen_digest IS NOT NULL
                                        THEN seen_reserved END);
        detail := NULL;

        IF r.pool IS NULL THEN
            refusal := 'busy';
            RETURN;
        END IF;

        refusal := NULL;
        advanced := true;
    END IF;

    IF refusal IS NULL AND want > 0 THEN
        o := unique_random.grant_from(r, holder, want, places);
        r := o.r;
        starts := o.starts;
        stops := o.stops;
    END IF;

    -- where nothing is left, there is nothing to wait for either

    IF (refusal IS NULL AND want > 0 AND starts = '{}')
       OR (coalesce(refusal, 'deferred') = 'deferred' AND starts = '{}'
           AND r.reserved >= coalesce(r.size, r.last - r.first + 1)
           AND r.returned = 0)
    THEN
        refusal := 'exhausted';
        detail := NULL;
    END IF;

    -- to who makes it begin, whatever that knows; and later to who was not
    -- there, or was not reached

    IF coalesce(refusal, 'exhausted') = 'exhausted'
       AND (advanced OR (seen_epoch > 0 AND seen_epoch < r.epoch))
    THEN
        detail := r.began;
    END IF;

    last := r.last;
    algorithm := CASE WHEN r.domain IS NULL THEN r.algorithm ELSE 2 END;
    digest := unique_random.digest(r.key, r.domain);
    reserved := r.reserved;
    returned := r.returned;
    serial := r.serial;
    epoch := r.epoch;
    incarnation := r.incarnation;
    timeline := r.timeline;
    failover := concat_ws(':', r.failover, r.advance);

    IF with_key THEN
        key := encode(r.key, 'hex');
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.answer(
    text, bigint, bigint, uuid, bigint, bigint, uuid, bigint, bigint, bigint,
    text, bigint, integer, boolean, boolean) IS
    'what reserve() says of one range';


-- The reservation.  For each element of the arrays, in their order, one row: it
-- grants "want" positions, or what is left, as up to "places" intervals
-- [starts[i], stops[i]), and no more than are kept in holders; or it says in
-- "refusal" why not:
--
--     standby    this server does not accept writes
--     volatile   its commits may be lost, whatever they say: fsync is off
--     missing    no such range, or not for this role: see "detail"
--     busy       somebody else has locked it
--     mismatch   the range is there, but with another last number
--     stale      the caller has seen a later life of this range
--     fenced     "detail" says why
--     deferred   "detail" says what the range waits for, and goes on by itself
--     exhausted  nothing is left
--
-- Who wants of one range waits for its lock, for lock_wait milliseconds; who
-- wants of several does not wait for any, so that one range does not hold up
-- the others, and no two callers wait for each other.
--
-- Who makes a failover begin a life of a range, or has seen an earlier one, is
-- told in "detail" of what is granted, or exhausted, how it began.
--
-- want = 0 asks without reserving, locking or changing anything, except that
-- what is seen to be wrong is remembered, and that a range goes on after a
-- failover if its policy is to skip.  The key is sent with_key only; of a
-- range that was adopted nothing is reserved with it.
--
-- set_config(..., true) reaches the commit of this transaction; a SET clause
-- would be undone before it.

CREATE OR REPLACE FUNCTION unique_random.reserve(
    of_pool text,
    holder uuid,
    lock_wait integer,
    firsts bigint[],
    lasts bigint[],
    holder_serials bigint[],
    seen_epochs bigint[],
    seen_incarnations uuid[],
    seen_serials bigint[],
    seen_reserved bigint[],
    seen_timelines bigint[],
    seen_digests text[],
    wants bigint[],
    places integer,
    with_keys boolean[])
RETURNS TABLE (
    refusal text,
    detail text,
    pool text,
    first bigint,
    last bigint,
    algorithm smallint,
    digest text,
    key text,
    starts bigint[],
    stops bigint[],
    reserved bigint,
    returned bigint,
    serial bigint,
    epoch bigint,
    incarnation uuid,
    timeline bigint,
    failover text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    setting text;
    alone boolean;
BEGIN
    pool := of_pool;
    starts := '{}';
    stops := '{}';

    IF pg_is_in_recovery()
       OR current_setting('transaction_read_only')::boolean
    THEN
        refusal := 'standby';

    ELSIF current_setting('fsync') <> 'on' THEN
        refusal := 'volatile';
    END IF;

    IF refusal IS NOT NULL THEN
        FOREACH first IN ARRAY firsts LOOP
            RETURN NEXT;
        END LOOP;

        RETURN;
    END IF;

    IF current_setting('synchronous_commit')
       IN ('off', 'local', 'remote_write')
    THEN
        setting := set_config('synchronous_commit', 'on', true);
    END IF;

    PERFORM unique_random.require_caller();

    setting := set_config('client_min_messages', 'warning', true);
    setting := set_config('lock_timeout', lock_wait::text, true);

    alone := cardinality(array_remove(array_remove(wants, 0::bigint), NULL)) <= 1;

    FOR i IN 1 .. cardinality(firsts) LOOP
        RETURN QUERY
        SELECT a.*
          FROM unique_random.answer(
                   of_pool, firsts[i], lasts[i], holder, holder_serials[i],
                   coalesce(seen_epochs[i], 0), seen_incarnations[i],
                   seen_serials[i], seen_reserved[i], seen_timelines[i],
                   nullif(seen_digests[i], ''), coalesce(wants[i], 0),
                   least(greatest(places, 1), 128), with_keys[i], alone) AS a;
    END LOOP;
END
$$;

COMMENT ON FUNCTION unique_random.reserve(
    text, uuid, integer, bigint[], bigint[], bigint[], bigint[], uuid[],
    bigint[], bigint[], bigint[], text[], bigint[], integer, boolean[]) IS
    'grants the next positions of ranges to an nginx, or says why not';


-- The same for an earlier module: of one range, as one interval.

CREATE OR REPLACE FUNCTION unique_random.reserve(
    of_pool text,
    of_first bigint,
    of_last bigint,
    holder uuid,
    holder_serial bigint,
    seen_epoch bigint,
    seen_incarnation uuid,
    seen_serial bigint,
    seen_reserved bigint,
    seen_timeline bigint,
    seen_digest text,
    lock_wait integer,
    want bigint,
    with_key boolean)
RETURNS TABLE (
    refusal text,
    detail text,
    pool text,
    first bigint,
    last bigint,
    algorithm smallint,
    digest text,
    key text,
    start bigint,
    count bigint,
    reserved bigint,
    returned bigint,
    serial bigint,
    epoch bigint,
    incarnation uuid,
    timeline bigint,
    failover text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    later constant text := 'a later life of the range has been seen';
BEGIN
    -- what an earlier module knows a stale copy by is this text alone

    RETURN QUERY
    SELECT a.refusal,
           CASE WHEN starts_with(a.detail, later) THEN later ELSE a.detail END,
           a.pool, a.first, a.last, a.algorithm, a.digest, a.key,
           coalesce(a.starts[1], a.reserved),
           coalesce(a.stops[1] - a.starts[1], 0), a.reserved, a.returned,
           a.serial, a.epoch, a.incarnation, a.timeline, a.failover
      FROM unique_random.reserve(
               of_pool, holder, lock_wait, ARRAY[of_first], ARRAY[of_last],
               ARRAY[holder_serial], ARRAY[seen_epoch],
               ARRAY[seen_incarnation], ARRAY[seen_serial],
               ARRAY[seen_reserved], ARRAY[seen_timeline], ARRAY[seen_digest],
               ARRAY[want], 1, ARRAY[with_key]) AS a
     WHERE coalesce(a.refusal, '') NOT IN ('deferred', 'busy');

    -- nor does it know these refusals: an error is what it tries again after

    IF NOT FOUND THEN
        RAISE EXCEPTION 'range %-% is not granted from yet: its timeline has'
                        ' changed, and synchronous_standby_names is empty or'
                        ' its row is locked',
                        of_first, of_last
        USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.reserve(
    text, bigint, bigint, uuid, bigint, bigint, uuid, bigint, bigint, bigint,
    text, integer, bigint, boolean) IS
    'reserve() for an earlier module';


-- Puts positions [new_start, new_stop) into "returned", joined with those that
-- they touch.

CREATE OR REPLACE FUNCTION unique_random.put_back(
    of_pool text,
    of_first bigint,
    lowest bigint,
    new_start bigint,
    new_stop bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off AS $$
DECLARE
    low bigint;
    high bigint := new_stop;
BEGIN
    DELETE FROM unique_random.returned t
     WHERE t.pool = of_pool AND t.first = of_first AND t.start = new_stop
    RETURNING t.stop INTO high;

    high := coalesce(high, new_stop);

    SELECT t.start INTO low
      FROM (SELECT b.start, b.stop FROM unique_random.returned b
             WHERE b.pool = of_pool AND b.first = of_first
               AND b.start >= lowest AND b.start < new_start
             ORDER BY b.pool DESC, b.first DESC, b.start DESC LIMIT 1) AS t
     WHERE t.stop = new_start;

    IF FOUND THEN
        UPDATE unique_random.returned t SET stop = high
         WHERE t.pool = of_pool AND t.first = of_first AND t.start = low;

    ELSE
        INSERT INTO unique_random.returned (pool, first, start, stop)
        VALUES (of_pool, of_first, new_start, high);
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.put_back(
    text, bigint, bigint, bigint, bigint) IS
    'notes positions to be granted again';


-- Whether positions [low, high) are in "returned" already, or some of them.

CREATE OR REPLACE FUNCTION unique_random.is_returned(
    of_pool text,
    of_first bigint,
    lowest bigint,
    low bigint,
    high bigint)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off AS $$
BEGIN
    RETURN coalesce((SELECT t.stop > low FROM unique_random.returned t
                      WHERE t.pool = of_pool AND t.first = of_first
                        AND t.start >= lowest AND t.start < high
                      ORDER BY t.pool DESC, t.first DESC, t.start DESC
                      LIMIT 1), false);
END
$$;

COMMENT ON FUNCTION unique_random.is_returned(
    text, bigint, bigint, bigint, bigint) IS
    'whether some of these positions are in "returned"';


-- Takes positions back if all of them are the holder's.  What has left its
-- intervals is not found there again, so nothing is taken back twice.

CREATE OR REPLACE FUNCTION unique_random.take_back(
    r unique_random.ranges,
    of_holder uuid,
    new_starts bigint[],
    new_stops bigint[])
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    h record;
    lowest bigint := r.returned_from;
    total bigint := 0;
BEGIN
    SELECT t.starts, t.stops INTO h FROM unique_random.holders t
     WHERE t.pool = r.pool AND t.first = r.first AND t.holder = of_holder;

    IF NOT FOUND OR new_starts IS NULL
       OR cardinality(new_starts) IS DISTINCT FROM cardinality(new_stops)
    THEN
        RETURN false;
    END IF;

    FOR i IN 1 .. cardinality(new_starts) LOOP
        h := unique_random.without_interval(h.starts, h.stops, new_starts[i],
                                            new_stops[i]);

        IF h.starts IS NULL
           OR unique_random.is_returned(r.pool, r.first, r.returned_from,
                                        new_starts[i], new_stops[i])
        THEN
            RETURN false;
        END IF;

        lowest := least(lowest, new_starts[i]);
        total := total + new_stops[i] - new_starts[i];
    END LOOP;

    FOR i IN 1 .. cardinality(new_starts) LOOP
        PERFORM unique_random.put_back(r.pool, r.first, lowest,
                                       new_starts[i], new_stops[i]);
    END LOOP;

    UPDATE unique_random.holders t
       SET starts = unique_random.latest(h.starts),
           stops = unique_random.latest(h.stops)
     WHERE t.pool = r.pool AND t.first = r.first AND t.holder = of_holder;

    UPDATE unique_random.ranges t
       SET returned = t.returned + total, returned_from = lowest,
           writer = pg_current_xact_id()
     WHERE t.pool = r.pool AND t.first = r.first;

    PERFORM unique_random.sign(r.pool, r.first);

    RETURN true;
END
$$;

COMMENT ON FUNCTION unique_random.take_back(
    unique_random.ranges, uuid, bigint[], bigint[]) IS
    'notes positions that a holder gives back, if they are its own';


-- Takes positions [starts[i], stops[i]) back that were granted to the caller in
-- this life of the range and never issued, to be granted again when the fresh
-- ones are used up.  All or nothing: returns why not, or NULL.  The caller has
-- forgotten them before and does not try again, whatever comes of it.

CREATE OR REPLACE FUNCTION unique_random.give_back(
    of_pool text,
    of_first bigint,
    of_last bigint,
    holder uuid,
    holder_serial bigint,
    seen_epoch bigint,
    seen_incarnation uuid,
    seen_serial bigint,
    seen_reserved bigint,
    seen_timeline bigint,
    seen_digest text,
    lock_wait integer,
    starts bigint[],
    stops bigint[])
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v record;
    o record;
    r unique_random.ranges;
BEGIN
    IF pg_is_in_recovery()
       OR current_setting('transaction_read_only')::boolean
    THEN
        RETURN 'standby';
    END IF;

    PERFORM unique_random.require_caller(),
            set_config('lock_timeout', lock_wait::text, true);

    PERFORM FROM unique_random.ranges t
      WHERE t.pool = of_pool AND t.first = of_first
        AND unique_random.may_use(t.role)
        FOR UPDATE;

    SELECT t AS range, t.xmin = t.writer::xid AS written_here INTO v
      FROM unique_random.ranges t
     WHERE t.pool = of_pool AND t.first = of_first
       AND unique_random.may_use(t.role);

    IF NOT FOUND THEN
        RETURN 'missing';
    END IF;

    r := v.range;

    o := unique_random.judge(r, v.written_here, of_last, holder, holder_serial,
                             coalesce(seen_epoch, 0), seen_incarnation,
                             seen_serial,
                             CASE WHEN seen_epoch = r.epoch
                                  THEN seen_reserved END,
                             seen_timeline, nullif(seen_digest, ''));

    IF o.refusal IS NOT NULL THEN
        RETURN coalesce(o.detail, o.refusal);
    END IF;

    -- what was granted in an earlier life may be somebody else's in this one

    IF r.epoch IS DISTINCT FROM seen_epoch
       OR r.incarnation IS DISTINCT FROM seen_incarnation
    THEN
        RETURN 'the range has begun a new life';
    END IF;

    IF NOT unique_random.take_back(r, holder, starts, stops) THEN
        RETURN 'they are not the caller''s';
    END IF;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION unique_random.give_back(
    text, bigint, bigint, uuid, bigint, bigint, uuid, bigint, bigint, bigint,
    text, integer, bigint[], bigint[]) IS
    'takes positions back that an nginx has not issued, or says why not';


-- A chunk of the numbers of a range that was adopted.  "size" and "domain" are
-- NULL for one that was not; there is no row if there is no such range, or not
-- for this role.  On a standby, too: what is said here never changes.

CREATE OR REPLACE FUNCTION unique_random.domain(
    of_pool text,
    of_first bigint,
    of_last bigint,
    of_chunk integer)
RETURNS TABLE (size bigint, domain bytea, bits bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM unique_random.require_caller();

    RETURN QUERY
    SELECT t.size, t.domain, d.bits
      FROM unique_random.ranges t
      LEFT JOIN unique_random.domains d
             ON d.pool = t.pool AND d.first = t.first AND d.chunk = of_chunk
                AND t.domain IS NOT NULL
     WHERE t.pool = of_pool AND t.first = of_first AND t.last = of_last
       AND unique_random.may_use(t.role);
END
$$;

COMMENT ON FUNCTION unique_random.domain(text, bigint, bigint, integer) IS
    'tells an nginx which numbers a range has';


-- For operators.

-- What a changed timeline means for a range: fence, trust or advance:N.

CREATE OR REPLACE FUNCTION unique_random.policy(
    INOUT failover text,
    OUT advance bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n text := substring(failover FROM '^advance:([1-9][0-9]{0,18})$');
BEGIN
    IF failover IN ('fence', 'trust') THEN
        RETURN;
    END IF;

    IF n IS NULL OR n::numeric > 4611686018427387904 THEN
        RAISE EXCEPTION 'failover must be fence, trust or advance:N with N from'
                        ' 1 to 4611686018427387904, not %', failover;
    END IF;

    failover := 'advance';
    advance := n;
END
$$;

COMMENT ON FUNCTION unique_random.policy(text) IS
    'reads a policy; raises an error if it is none';


-- A range by this name, or one that has numbers of it, would be a second one.

CREATE OR REPLACE FUNCTION unique_random.require_free(
    of_pool text,
    of_first bigint,
    of_last bigint)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o record;
BEGIN
    IF of_pool = '' THEN
        RAISE EXCEPTION 'invalid pool name "", it must not be empty';
    END IF;

    IF of_pool IS NULL OR (of_first >= 0 AND of_first <= of_last
                           AND of_last - of_first < 9223372036854775807)
                          IS NOT TRUE
    THEN
        RAISE EXCEPTION 'invalid range %-%', of_first, of_last
        USING HINT = 'first and last must be between 0 and'
                     ' 9223372036854775807, first not above last, and the'
                     ' range must not hold more than 9223372036854775807'
                     ' numbers.';
    END IF;

    SELECT t.first, t.last INTO o FROM unique_random.ranges t
     WHERE t.pool = of_pool AND t.first <= of_last AND t.last >= of_first
     LIMIT 1;

    IF FOUND THEN
        RAISE EXCEPTION 'range %-% overlaps range %-% of pool "%"',
                        of_first, of_last, o.first, o.last, of_pool
        USING ERRCODE = 'exclusion_violation';
    END IF;

    SELECT t.first, t.last INTO o FROM unique_random.adoptions t
     WHERE t.pool = of_pool AND t.first <= of_last AND t.last >= of_first
     LIMIT 1;

    IF FOUND THEN
        RAISE EXCEPTION 'range %-% overlaps range %-% of pool "%", which is'
                        ' being adopted', of_first, of_last, o.first, o.last,
                        of_pool
        USING ERRCODE = 'exclusion_violation',
              HINT = format('To abandon that, run SELECT'
                            ' unique_random.adopt_cancel(%L, %s);', of_pool,
                            o.first);
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.require_free(text, bigint, bigint) IS
    'raises an error if a pool has numbers of these already';


-- PostgreSQL 13 has no bit_count().

CREATE OR REPLACE FUNCTION unique_random.count_bits(bits bytea)
RETURNS bigint
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('server_version_num')::integer >= 140000 THEN
        RETURN bit_count(bits);
    END IF;

    RETURN length(replace(('x' || encode(bits, 'hex'))::varbit::text, '0', ''));
END
$$;

COMMENT ON FUNCTION unique_random.count_bits(bytea) IS
    'how many bits are 1';


-- What the chunks of a domain are known by together, and how many numbers they
-- have; if "domain" says what it has to be, they have come from elsewhere.  The
-- lock keeps them as they are until they are a range's.

CREATE OR REPLACE FUNCTION unique_random.require_domain(
    of_pool text,
    of_first bigint,
    of_last bigint,
    INOUT domain bytea,
    OUT size bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tail constant bigint := of_last - of_first;
    o record;
BEGIN
    SELECT sha256(string_agg(sha256(t.bits), ''::bytea ORDER BY t.chunk))
               AS domain,
           sum(unique_random.count_bits(t.bits)) AS size,
           count(*) = (tail >> 20) + 1
               AND bool_and(length(t.bits)
                            = least((tail >> 3) + 1 - t.chunk::bigint * 131072,
                                    131072)) AS is_whole,
           max(get_byte(t.bits, length(t.bits) - 1))
               FILTER (WHERE t.chunk = tail >> 20)
               >> (tail & 7)::integer AS rest
      INTO o
      FROM (SELECT d.chunk, d.bits || ''::bytea AS bits
              FROM unique_random.domains d
             WHERE d.pool = of_pool AND d.first = of_first
               FOR SHARE) AS t;

    IF (o.domain = coalesce(domain, o.domain) AND o.is_whole AND o.rest <= 1)
       IS NOT TRUE
    THEN
        RAISE EXCEPTION 'the domain of range %-% is not in'
                        ' unique_random.domains', of_first, of_last
        USING HINT = format('Copy its rows first.  To remove rows that are of'
                            ' no range, run DELETE FROM unique_random.domains t'
                            ' WHERE pool = %L AND first = %s AND NOT EXISTS'
                            ' (SELECT FROM unique_random.ranges r WHERE'
                            ' (r.pool, r.first) = (t.pool, t.first));',
                            of_pool, of_first);
    END IF;

    domain := o.domain;
    size := o.size;
END
$$;

COMMENT ON FUNCTION unique_random.require_domain(
    text, bigint, bigint, bytea) IS
    'how many numbers a domain has; raises an error if it is not there';


-- A range without its numbers is lost, and with others it would give some of
-- them again.

CREATE OR REPLACE FUNCTION unique_random.keep_domain()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o record;
BEGIN
    SELECT t.pool, t.first, t.last INTO o FROM unique_random.ranges t
     WHERE t.domain IS NOT NULL
       AND (TG_OP = 'TRUNCATE' OR (t.pool = OLD.pool AND t.first = OLD.first))
     LIMIT 1;

    IF FOUND THEN
        RAISE EXCEPTION 'range %-% of pool "%" has these numbers', o.first,
                        o.last, o.pool
        USING ERRCODE = 'foreign_key_violation';
    END IF;

    RETURN CASE TG_OP WHEN 'UPDATE' THEN NEW ELSE OLD END;
END
$$;

COMMENT ON FUNCTION unique_random.keep_domain() IS
    'keeps the numbers of a range from being changed or deleted';

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger t
                    WHERE t.tgrelid = 'unique_random.domains'::regclass)
    THEN
        CREATE TRIGGER keep_domain
            BEFORE UPDATE OR DELETE ON unique_random.domains
            FOR EACH ROW EXECUTE FUNCTION unique_random.keep_domain();
        CREATE TRIGGER keep_domains
            BEFORE TRUNCATE ON unique_random.domains
            EXECUTE FUNCTION unique_random.keep_domain();
    END IF;
END
$$;


-- The row of a range, when all about it has been looked at.

CREATE OR REPLACE FUNCTION unique_random.make(
    of_pool text,
    of_first bigint,
    of_last bigint,
    old_key bytea,
    reserved bigint,
    failover text,
    after bigint,
    size bigint,
    domain bytea)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    f record;
    p record;
BEGIN
    p := unique_random.policy(failover);

    PERFORM unique_random.require_names();
    PERFORM unique_random.require_fingerprint();

    f := unique_random.fingerprint();

    -- of a range by this name whose row was deleted

    DELETE FROM unique_random.holders t
     WHERE t.pool = of_pool AND t.first = of_first;

    DELETE FROM unique_random.returned t
     WHERE t.pool = of_pool AND t.first = of_first;

    IF domain IS NULL THEN
        DELETE FROM unique_random.domains t
         WHERE t.pool = of_pool AND t.first = of_first;
    END IF;

    -- A range that comes with its key has had a life before: the clock as its
    -- epoch puts this life after that one.

    INSERT INTO unique_random.ranges
           (pool, first, last, key, reserved, epoch, failover,
            advance, system_identifier, timeline, database, relation,
            synchronous, writer, role, size, domain)
    VALUES (of_pool, of_first, of_last,
            coalesce(old_key,
                     sha256(decode(replace(concat(gen_random_uuid(),
                                                  gen_random_uuid(),
                                                  gen_random_uuid()),
                                           '-', ''), 'hex'))),
            reserved,
            greatest(CASE WHEN old_key IS NULL THEN 1
                          ELSE extract(epoch FROM clock_timestamp())::bigint
                     END, after + 1),
            p.failover, p.advance, f.system_identifier, f.timeline, f.database,
            f.relation, unique_random.is_synchronous(), pg_current_xact_id(),
            coalesce((SELECT t.role FROM unique_random.ranges t
                       WHERE t.pool = of_pool LIMIT 1), 'unique_random'),
            size, domain);

    PERFORM unique_random.sign(of_pool, of_first);
END
$$;

COMMENT ON FUNCTION unique_random.make(
    text, bigint, bigint, bytea, bigint, text, bigint, bigint, bytea) IS
    'makes a range for add() and adopt()';


-- "after" is an epoch that this life has to be later than, if a life was begun
-- by a clock in the future.  A "domain" is in unique_random.domains already.

CREATE OR REPLACE FUNCTION unique_random.add(
    pool text,
    first bigint,
    last bigint,
    key bytea DEFAULT NULL,
    reserved bigint DEFAULT 0,
    failover text DEFAULT 'fence',
    after bigint DEFAULT NULL,
    domain bytea DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    size bigint;
BEGIN
    PERFORM unique_random.require_free(pool, first, last);

    -- said here, since the error of a constraint shows the row with its key

    IF length(key) <> 32 THEN
        RAISE EXCEPTION 'key must have 32 bytes, not %', length(key);
    END IF;

    IF domain IS NOT NULL THEN
        size := (unique_random.require_domain(pool, first, last,
                                              domain)).size;
    END IF;

    IF (reserved >= 0 AND reserved <= size) IS FALSE
       OR (reserved >= 0 AND reserved - 1 <= last - first) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'reserved must be between 0 and %, not %',
                        coalesce(size, last - first + 1), reserved;
    END IF;

    PERFORM unique_random.policy(failover);

    PERFORM unique_random.make(pool, first, last, key, reserved, failover,
                               after, size, domain);
END
$$;

COMMENT ON FUNCTION unique_random.add(
    text, bigint, bigint, bytea, bigint, text, bigint, bytea) IS
    'makes a range; with key and reserved, one that has lived elsewhere';


CREATE OR REPLACE FUNCTION unique_random.accept(
    pool text,
    first bigint,
    at_least bigint DEFAULT NULL,
    advance bigint DEFAULT NULL,
    after bigint DEFAULT NULL)
RETURNS TABLE (reserved bigint, skipped bigint, epoch bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    r unique_random.ranges;
    target bigint;
    size bigint;
BEGIN
    IF at_least IS NULL AND advance IS NULL THEN
        RAISE EXCEPTION 'how far the lost database had got is not known'
        USING HINT = 'Say at_least => N, or advance => N, or both;'
                     ' advance => 0 if nothing was lost.';
    END IF;

    IF at_least < 0 OR advance < 0 THEN
        RAISE EXCEPTION 'at_least and advance must not be negative';
    END IF;

    SELECT t.* INTO r FROM unique_random.ranges t
     WHERE t.pool = accept.pool AND t.first = accept.first
       FOR UPDATE;

    IF NOT FOUND THEN
        RAISE EXCEPTION 'pool "%" has no range that begins with %',
                        accept.pool, accept.first;
    END IF;

    IF r.fenced LIKE 'closed:%' THEN
        RAISE EXCEPTION 'range %-% is closed: it goes on elsewhere',
                        r.first, r.last;
    END IF;

    size := coalesce(r.size, r.last - r.first + 1);

    IF at_least > size THEN
        RAISE EXCEPTION 'at_least must be at most %, the size of the range',
                        size;
    END IF;

    PERFORM unique_random.require_fingerprint();

    -- what is known to be reserved, and what nobody remembers besides

    target := greatest(r.reserved, at_least);
    target := target + least(coalesce(advance, 0), size - target);

    skipped := target - r.reserved;
    r := unique_random.begin_life(r, target, after, NULL);

    reserved := target;
    epoch := r.epoch;

    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION unique_random.accept(
    text, bigint, bigint, bigint, bigint) IS
    'goes on with a fenced range: skips positions, takes this database for the true one';


CREATE OR REPLACE FUNCTION unique_random.close(
    pool text,
    first bigint)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v record;
    r unique_random.ranges;
    why text;
    domain text;
BEGIN
    SELECT t AS range, t.xmin = t.writer::xid AS written_here INTO v
      FROM unique_random.ranges t
     WHERE t.pool = close.pool AND t.first = close.first
       FOR UPDATE;

    IF NOT FOUND THEN
        RAISE EXCEPTION 'pool "%" has no range that begins with %',
                        close.pool, close.first;
    END IF;

    r := v.range;

    -- what is said of its positions goes on elsewhere, so it must be true here

    IF r.fenced IS DISTINCT FROM 'closed: moved away' THEN
        why := coalesce(r.fenced,
                        unique_random.contradiction(r, v.written_here));

        IF why IS NOT NULL THEN
            RAISE EXCEPTION 'range %-% is fenced: %', r.first, r.last, why
            USING HINT = 'Run accept() first, which says how far the lost'
                         ' database had got.';
        END IF;

        why := unique_random.deferral(r);

        IF why IS NOT NULL THEN
            RAISE EXCEPTION 'range %-% is not granted from yet: %', r.first,
                            r.last, why
            USING HINT = 'Set it first if the promoted standby was a'
                         ' synchronous one, else run accept().';
        END IF;

        IF unique_random.to_skip(r) IS NOT NULL THEN
            RAISE EXCEPTION 'range %-% has not gone on yet after a failover',
                            r.first, r.last
            USING HINT = 'Let an nginx reserve of it first, or run accept().';
        END IF;

        UPDATE unique_random.ranges t SET fenced = 'closed: moved away'
         WHERE t.pool = close.pool AND t.first = close.first;
    END IF;

    IF r.domain IS NOT NULL THEN
        PERFORM unique_random.require_domain(r.pool, r.first, r.last, r.domain);

        SELECT string_agg(
                   format('INSERT INTO unique_random.domains VALUES'
                          ' (%L, %s, %s, decode(%L, %L)) ON CONFLICT DO'
                          ' NOTHING;' || chr(10), t.pool, t.first, t.chunk,
                          translate(encode(t.bits, 'base64'), chr(10), ''),
                          'base64'), '' ORDER BY t.chunk)
          INTO domain
          FROM unique_random.domains t
         WHERE t.pool = close.pool AND t.first = close.first;
    END IF;

    RETURN concat(domain,
                  format('SELECT unique_random.add(%L, %s, %s,'
                         ' key => decode(%L, %L), reserved => %s,'
                         ' failover => %L, after => %s', r.pool, r.first,
                         r.last, encode(r.key, 'hex'), 'hex', r.reserved,
                         concat_ws(':', r.failover, r.advance), r.epoch),
                  ', domain => decode('
                  || quote_literal(encode(r.domain, 'hex')) || ', ''hex'')',
                  ');')
           || CASE WHEN r.role = 'unique_random' THEN ''
                   ELSE format(' SELECT unique_random.set_role(%L, %L);',
                               r.pool, r.role)
              END;
END
$$;

COMMENT ON FUNCTION unique_random.close(text, bigint) IS
    'ends a range here and returns the SQL that goes on with it elsewhere';


-- A row that somebody else wrote stays recognizable as such: no transaction
-- has the id 0.

CREATE OR REPLACE FUNCTION unique_random.set_failover(
    pool text,
    first bigint,
    policy text,
    n bigint DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    p record;
BEGIN
    p := unique_random.policy(policy || coalesce(':' || n, ''));

    UPDATE unique_random.ranges t
       SET failover = p.failover,
           advance = p.advance,
           writer = CASE WHEN t.xmin = t.writer::xid
                         THEN pg_current_xact_id() ELSE '0'
                    END
     WHERE t.pool = set_failover.pool AND t.first = set_failover.first;

    IF NOT FOUND THEN
        RAISE EXCEPTION 'pool "%" has no range that begins with %',
                        set_failover.pool, set_failover.first;
    END IF;

    PERFORM unique_random.sign(set_failover.pool, set_failover.first);
END
$$;

COMMENT ON FUNCTION unique_random.set_failover(
    text, bigint, text, bigint) IS
    'what a changed timeline means for a range: fence, trust, or advance by n';


-- What a running nginx calls.

CREATE OR REPLACE FUNCTION unique_random.grant_to(role text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA unique_random TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION
        unique_random.reserve(text, uuid, integer, bigint[], bigint[],
                              bigint[], bigint[], uuid[], bigint[], bigint[],
                              bigint[], text[], bigint[], integer, boolean[]),
        unique_random.reserve(text, bigint, bigint, uuid, bigint, bigint, uuid,
                              bigint, bigint, bigint, text, integer, bigint,
                              boolean),
        unique_random.give_back(text, bigint, bigint, uuid, bigint, bigint,
                                uuid, bigint, bigint, bigint, text, integer,
                                bigint[], bigint[]),
        unique_random.domain(text, bigint, bigint, integer)
        TO %I', role);
END
$$;

COMMENT ON FUNCTION unique_random.grant_to(text) IS
    'lets the members of a role call what a running nginx calls';


-- Ranges that are added to the pool later have the role, too.

CREATE OR REPLACE FUNCTION unique_random.set_role(
    pool text,
    role text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    changed bigint;
BEGIN
    IF to_regrole(quote_ident(set_role.role)) IS NULL THEN
        RAISE EXCEPTION 'there is no role "%"', set_role.role
        USING HINT = format('Run CREATE ROLE %I NOLOGIN; and GRANT %I TO the'
                            ' role that nginx connects as.', set_role.role,
                            set_role.role);
    END IF;

    PERFORM unique_random.grant_to(set_role.role);

    FOR changed IN
        UPDATE unique_random.ranges t
           SET role = set_role.role,
               writer = CASE WHEN t.xmin = t.writer::xid
                             THEN pg_current_xact_id() ELSE '0'
                        END
         WHERE t.pool = set_role.pool
        RETURNING t.first
    LOOP
        PERFORM unique_random.sign(set_role.pool, changed);
    END LOOP;

    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no pool "%"', set_role.pool;
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.set_role(text, text) IS
    'sets the role whose members may use a pool';


-- Until an earlier module's schema is out of use for good, it could be wanted
-- back; so this is said by an operator.

CREATE OR REPLACE FUNCTION unique_random.revoke_tables()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF to_regrole('unique_random') IS NOT NULL THEN
        REVOKE ALL ON unique_random.ranges, unique_random.holders,
                      unique_random.returned
          FROM unique_random;
    END IF;

    REVOKE ALL ON FUNCTION unique_random.timeline(),
                           unique_random.fingerprint()
      FROM PUBLIC;

    DROP FUNCTION IF EXISTS
        unique_random.suspicion(unique_random.ranges, boolean, uuid, bigint,
                                bigint, bigint, bigint, bigint),
        unique_random.objection(unique_random.ranges, boolean, bigint, uuid,
                                bigint, bigint, uuid, bigint, bigint, bigint,
                                text);
END
$$;

COMMENT ON FUNCTION unique_random.revoke_tables() IS
    'takes away what an earlier schema gave to the role unique_random, and its functions that are out of use';


-- "others" are the pools that the caller has beside this one: they may have the
-- same numbers.  NULL: not known, of an earlier module.

CREATE OR REPLACE FUNCTION unique_random.bootstrap(
    pool text,
    firsts bigint[],
    lasts bigint[],
    failover text DEFAULT 'fence',
    others text[] DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    o record;
BEGIN
    PERFORM set_config('row_security', 'off', true),
            set_config('lock_timeout', '2s', true),
            pg_advisory_xact_lock(7959390389040738153);

    -- A database that knows the pool but not the range is a wrong one, or one
    -- that has forgotten: nothing to be mended by a machine.

    -- A pool that is being adopted goes on with what is left of it.

    IF EXISTS (SELECT FROM unique_random.ranges t
                WHERE t.pool = bootstrap.pool)
       OR EXISTS (SELECT FROM unique_random.adoptions t
                   WHERE t.pool = bootstrap.pool)
    THEN
        RETURN false;
    END IF;

    -- and one that has the numbers under another name is mended by who knows
    -- which name is the right one

    SELECT u.first, u.last, t.pool INTO o
      FROM unnest(firsts, lasts) AS u (first, last)
      JOIN (SELECT r.pool, r.first, r.last FROM unique_random.ranges r
            UNION ALL
            SELECT a.pool, a.first, a.last FROM unique_random.adoptions a) AS t
           ON t.first <= u.last AND t.last >= u.first
     WHERE t.pool <> ALL (others)
     ORDER BY u.first
     LIMIT 1;

    IF FOUND THEN
        RAISE EXCEPTION 'pool "%" is not made, since pool "%" has numbers of'
                        ' %-% already', bootstrap.pool, o.pool, o.first, o.last
        USING ERRCODE = 'exclusion_violation',
              HINT = format('If "%s" is to have numbers of its own, which are'
                            ' then given twice, once by each pool, run %s',
                            bootstrap.pool,
                            (SELECT string_agg(
                                        format('SELECT unique_random.add(%L,'
                                               ' %s, %s);', bootstrap.pool,
                                               u.first, u.last), ' ')
                               FROM unnest(firsts, lasts) AS u (first, last)));
    END IF;

    PERFORM unique_random.add(bootstrap.pool, u.first, u.last,
                              failover => bootstrap.failover)
       FROM unnest(firsts, lasts) AS u (first, last);

    RETURN true;
END
$$;

COMMENT ON FUNCTION unique_random.bootstrap(
    text, bigint[], bigint[], text, text[]) IS
    'makes the ranges of a pool in a database that has none of it';


-- Whether a server will do.  sql/check.sql has the same for one that has no
-- schema yet.  ok is NULL where it will, but not for everything.

CREATE OR REPLACE FUNCTION unique_random.check()
RETURNS TABLE (capability text, ok boolean, value text, meaning text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
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

    RETURN QUERY
    SELECT t.capability, t.ok, t.value, t.meaning
      FROM jsonb_to_recordset(found)
           AS t (capability text, ok boolean, value text, meaning text);
END
$$;

COMMENT ON FUNCTION unique_random.check() IS
    'whether this server will do, row by row';


-- The table of a service before, which has a row for each number that it gave
-- out, adopted: a range goes on with the numbers that are not in it.
--
-- adopt_prepare() reads the table, a million numbers in a transaction, while a
-- trigger notes which numbers come and go.  Each of these is looked at again.
-- adopt() does the same with what is left, and ends the service, in one
-- transaction.
--
-- Nothing of that has to be believed: under its lock adopt() compares each row
-- of the table with what it has.

-- Where nothing is adopted, whatever the table is like.  A snapshot from before
-- the lock of the table would not have all that was written.

CREATE OR REPLACE FUNCTION unique_random.require_transaction()
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    isolation constant text := current_setting('transaction_isolation');
BEGIN
    IF current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'a table cannot be adopted %',
                        CASE WHEN pg_is_in_recovery() THEN 'on a standby'
                             ELSE 'in a transaction that is read-only'
                        END
        USING ERRCODE = 'read_only_sql_transaction',
              HINT = 'Do it on the primary server, in a transaction that may'
                     ' write.';
    END IF;

    IF isolation <> 'read committed' THEN
        RAISE EXCEPTION 'a table is adopted in transactions that are read'
                        ' committed, not %', isolation
        USING ERRCODE = 'active_sql_transaction',
              HINT = 'Run SET default_transaction_isolation ='
                     ' ''read committed''; first.';
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.require_transaction() IS
    'raises an error where no table can be adopted';


-- An index by which numbers are found, or one that has none twice.

CREATE OR REPLACE FUNCTION unique_random.has_index(
    of_relation regclass,
    of_attribute name,
    once boolean)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM pg_index i
                     JOIN pg_attribute t ON t.attrelid = i.indrelid
                                            AND t.attnum = i.indkey[0]
                     JOIN pg_class c ON c.oid = i.indexrelid
                     JOIN pg_am m ON m.oid = c.relam
                    WHERE i.indrelid = of_relation
                      AND t.attname = of_attribute AND m.amname = 'btree'
                      AND i.indisvalid AND i.indpred IS NULL
                      AND (NOT once OR (i.indisunique AND i.indimmediate
                                        AND i.indnkeyatts = 1)));
END
$$;

COMMENT ON FUNCTION unique_random.has_index(regclass, name, boolean) IS
    'whether numbers are found by an index of a column, or are there once';


-- Errors where the table is not one that can be read so.  What it is like may
-- change until it is locked; and with a type of its owner's, functions of this
-- one would run with the rights of who adopts.

CREATE OR REPLACE FUNCTION unique_random.require_table(
    relation regclass,
    attribute name)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET row_security = off AS $$
DECLARE
    owner oid;
    a record;
    few boolean;
BEGIN
    SELECT c.relowner INTO owner FROM pg_class c
     WHERE c.oid = relation AND c.relkind = 'r' AND c.relpersistence = 'p'
       AND NOT c.relispartition
       AND NOT EXISTS (SELECT FROM pg_inherits i
                        WHERE relation IN (i.inhparent, i.inhrelid));

    IF NOT FOUND THEN
        RAISE EXCEPTION '% is not an ordinary table', relation
        USING ERRCODE = 'wrong_object_type',
              HINT = 'One that has partitions or inherits, is temporary or'
                     ' unlogged, or a view, cannot be adopted.';
    END IF;

    IF NOT pg_has_role(owner, 'USAGE') THEN
        RAISE EXCEPTION 'role "%" may not adopt %, which belongs to role "%"',
                        current_user, relation, pg_get_userbyid(owner)
        USING ERRCODE = 'insufficient_privilege',
              HINT = format('Run GRANT %I TO %I; first, or do it as another'
                            ' role.', pg_get_userbyid(owner), current_user);
    END IF;

    SELECT t.atttypid, t.attgenerated INTO a FROM pg_attribute t
     WHERE t.attrelid = relation AND t.attname = attribute AND t.attnum > 0
       AND NOT t.attisdropped;

    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no column "%" in %', attribute, relation
        USING ERRCODE = 'undefined_column';
    END IF;

    IF a.attgenerated <> ''
       OR a.atttypid NOT IN ('smallint'::regtype, 'integer'::regtype,
                             'bigint'::regtype)
    THEN
        RAISE EXCEPTION 'column "%" of % is no ordinary smallint, integer or'
                        ' bigint', attribute, relation
        USING ERRCODE = 'datatype_mismatch',
              HINT = 'Nor may it be of a domain over one, or generated.';
    END IF;

    IF NOT unique_random.has_index(relation, attribute, false) THEN
        EXECUTE format('SELECT count(*) < 100000'
                       ' FROM (SELECT FROM ONLY %s LIMIT 100000) AS t',
                       relation) INTO few;

        IF NOT few THEN
            RAISE EXCEPTION '% has no index that begins with column "%"',
                            relation, attribute
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('Run CREATE INDEX CONCURRENTLY ON %s (%I);',
                                relation, attribute);
        END IF;
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.require_table(regclass, name) IS
    'raises an error if a column of a table cannot be adopted';


-- What notes the changes, and what closes the table, has this name.

CREATE OR REPLACE FUNCTION unique_random.adoption_name(
    of_first bigint,
    of_last bigint)
RETURNS name
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN format('unique_random_%s_%s', of_first, of_last);
END
$$;

COMMENT ON FUNCTION unique_random.adoption_name(bigint, bigint) IS
    'the name of triggers and constraint of a table that is adopted';


-- Two pools that adopt the same numbers of a table would give each of them.

CREATE OR REPLACE FUNCTION unique_random.require_unadopted(
    of_first bigint,
    of_last bigint,
    of_relation regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o record;
BEGIN
    SELECT c.conname, m.bounds[1] AS first, m.bounds[2] AS last INTO o
      FROM pg_constraint c,
           regexp_matches(c.conname::text, '^unique_random_(\d+)_(\d+)$')
               AS m (bounds)
     WHERE c.conrelid = of_relation AND c.contype = 'c'
       AND m.bounds[1]::numeric <= of_last
       AND m.bounds[2]::numeric >= of_first
     LIMIT 1;

    IF FOUND THEN
        RAISE EXCEPTION 'numbers %-% of % are adopted already', o.first, o.last,
                        of_relation
        USING ERRCODE = 'exclusion_violation',
              DETAIL = format('The table has the constraint "%s".', o.conname);
    END IF;

    SELECT t.pool, t.first, t.last INTO o FROM unique_random.adoptions t
     WHERE t.relation = of_relation AND t.first <= of_last
       AND t.last >= of_first
     LIMIT 1;

    IF FOUND THEN
        RAISE EXCEPTION 'numbers %-% of % are being adopted by pool "%"',
                        o.first, o.last, of_relation, o.pool
        USING ERRCODE = 'exclusion_violation',
              HINT = format('To abandon that, run SELECT'
                            ' unique_random.adopt_cancel(%L, %s);', o.pool,
                            o.first);
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.require_unadopted(
    bigint, bigint, regclass) IS
    'raises an error if a range has numbers of these from the table already';


-- It runs with the rights of the schema's owner, and the table's owner may give
-- the column another type meanwhile, or its name to another one: so a number is
-- taken from the text of it, for which no cast or function of theirs is called.

CREATE OR REPLACE FUNCTION unique_random.note_change()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_pool constant text := TG_ARGV[0];
    of_first constant bigint := TG_ARGV[1];
    gone bigint;
    come bigint;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION '% is being adopted', TG_RELID::regclass
        USING ERRCODE = 'object_in_use',
              HINT = format('To abandon that, run SELECT'
                            ' unique_random.adopt_cancel(%L, %s);', of_pool,
                            of_first);
    END IF;

    EXECUTE format('SELECT nullif(concat((SELECT %1$I FROM (SELECT ($1).*)'
                   '                      AS gone)), '''')::bigint,'
                   '       nullif(concat((SELECT %1$I FROM (SELECT ($2).*)'
                   '                      AS come)), '''')::bigint', TG_ARGV[3])
      INTO gone, come USING OLD, NEW;

    INSERT INTO unique_random.adoption_changes (pool, first, number)
    SELECT of_pool, of_first, c.number
      FROM unnest(ARRAY[gone, come]) AS c (number)
     WHERE gone IS DISTINCT FROM come
       AND c.number BETWEEN of_first AND TG_ARGV[2]::bigint;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION unique_random.note_change() IS
    'notes what changes in a table that is being adopted';


CREATE OR REPLACE FUNCTION unique_random.has_trigger(a unique_random.adoptions)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN 2 = (SELECT count(*) FROM pg_trigger t
                 WHERE t.tgrelid = a.relation AND t.tgenabled = 'A'
                   AND t.tgfoid = 'unique_random.note_change()'::regprocedure
                   AND left(t.tgname, -2)
                       = unique_random.adoption_name(a.first, a.last));
END
$$;

COMMENT ON FUNCTION unique_random.has_trigger(unique_random.adoptions) IS
    'whether the changes of a table that is being adopted are noted';


CREATE OR REPLACE FUNCTION unique_random.add_trigger(a unique_random.adoptions)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := unique_random.adoption_name(a.first, a.last);
BEGIN
    -- who has written before has ended by then, and is seen

    EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %s'
                   ' FOR EACH ROW EXECUTE FUNCTION unique_random.note_change'
                   '(%L, %L, %L, %L)', name || '_r', a.relation, a.pool,
                   a.first, a.last, a.attribute);
    EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %s'
                   ' EXECUTE FUNCTION unique_random.note_change(%L, %L)',
                   name || '_t', a.relation, a.pool, a.first);

    -- what a subscription writes, too

    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I,'
                   ' ENABLE ALWAYS TRIGGER %I', a.relation, name || '_r',
                   name || '_t');
END
$$;

COMMENT ON FUNCTION unique_random.add_trigger(unique_random.adoptions) IS
    'has the changes of a table that is being adopted noted';


-- An adoption that begins, or goes on: then it must be the same.  The table is
-- locked before the row of the adoption, here and in all that follows, so that
-- two at once wait for each other in one order.

CREATE OR REPLACE FUNCTION unique_random.adopt_begin(
    of_pool text,
    of_first bigint,
    of_last bigint,
    of_relation regclass,
    of_attribute name,
    lock text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s' AS $$
DECLARE
    a unique_random.adoptions;
    why text;
BEGIN
    PERFORM unique_random.require_transaction();
    PERFORM unique_random.require_table(of_relation, of_attribute);
    EXECUTE format('LOCK TABLE ONLY %s IN %s MODE', of_relation, lock);

    SELECT t.* INTO a FROM unique_random.adoptions t
     WHERE t.pool = of_pool AND t.first = of_first
       FOR UPDATE;

    IF FOUND THEN
        why := CASE WHEN a.last <> of_last
                    THEN format('up to %s', a.last)
                    WHEN a.relation <> of_relation
                    THEN format('from %s', a.relation)
                    WHEN a.attribute <> of_attribute
                    THEN format('from column "%s"', a.attribute)
                    WHEN NOT unique_random.has_trigger(a)
                    THEN 'without its triggers: changes may be lost'
               END;

        IF why IS NOT NULL THEN
            RAISE EXCEPTION 'the range of pool "%" that begins with % is being'
                            ' adopted %', of_pool, of_first, why
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('To abandon that, and begin again, run SELECT'
                                ' unique_random.adopt_cancel(%L, %s);',
                                of_pool, of_first);
        END IF;

        RETURN;
    END IF;

    EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE',
                   of_relation);

    PERFORM unique_random.require_free(of_pool, of_first, of_last);

    IF of_last - of_first >= 1073741824 THEN
        RAISE EXCEPTION 'range %-% has more than 1073741824 numbers, which is'
                        ' as many as can be adopted at once', of_first, of_last
        USING HINT = 'Adopt it as several ranges.';
    END IF;

    PERFORM unique_random.require_unadopted(of_first, of_last, of_relation);
    PERFORM unique_random.require_names();
    PERFORM unique_random.require_fingerprint();

    INSERT INTO unique_random.adoptions (pool, first, last, relation, attribute)
    VALUES (of_pool, of_first, of_last, of_relation, of_attribute)
    RETURNING * INTO a;

    DELETE FROM unique_random.domains t
     WHERE t.pool = of_pool AND t.first = of_first;

    PERFORM unique_random.add_trigger(a);
END
$$;

COMMENT ON FUNCTION unique_random.adopt_begin(
    text, bigint, bigint, regclass, name, text) IS
    'begins an adoption, or goes on with it';


-- A word of 64 numbers is a number in hexadecimal, whose digits are the bytes:
-- of each byte of it the first bit is the lowest one, but the first byte is the
-- highest.  So bit k of the word is bit k # 56 of that number.

CREATE OR REPLACE FUNCTION unique_random.read_chunk(
    a unique_random.adoptions,
    of_chunk integer)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET work_mem = '64MB'
SET enable_seqscan = off
SET enable_sort = off AS $$
DECLARE
    low constant bigint := a.first + of_chunk * 1048576::bigint;
    tail constant integer := least(a.last - low, 1048575);
    bits bytea;
BEGIN
    EXECUTE format(
        'SELECT decode(string_agg(lpad(to_hex(~coalesce(w.used, 0)), 16,'
        '                              ''0''), '''' ORDER BY n), ''hex'')'
        '  FROM generate_series(0, ($2 - $1) >> 6) AS n'
        '  LEFT JOIN (SELECT (t.%1$I - $1) >> 6 AS n,'
        '                    bit_or(1::bigint << (((t.%1$I - $1) & 63) # 56)'
        '                                        ::integer) AS used'
        '               FROM ONLY %2$s AS t'
        '              WHERE t.%1$I BETWEEN $1 AND $2'
        '              GROUP BY 1) AS w USING (n)', a.attribute, a.relation)
      INTO bits USING low, low + tail;

    -- beyond the last number there is nothing

    bits := substr(bits, 1, (tail >> 3) + 1);
    bits := set_byte(bits, tail >> 3,
                     get_byte(bits, tail >> 3) & (2 << (tail & 7)) - 1);

    INSERT INTO unique_random.domains (pool, first, chunk, bits)
    VALUES (a.pool, a.first, of_chunk, bits);
END
$$;

COMMENT ON FUNCTION unique_random.read_chunk(
    unique_random.adoptions, integer) IS
    'reads which numbers of a chunk are not in a table';


CREATE OR REPLACE FUNCTION unique_random.set_bits(
    a unique_random.adoptions,
    of_chunk integer,
    places integer[],
    new_bits integer[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new bytea;
BEGIN
    -- a copy, which is not decompressed again each time

    SELECT d.bits || ''::bytea INTO new FROM unique_random.domains d
     WHERE d.pool = a.pool AND d.first = a.first AND d.chunk = of_chunk;

    FOR i IN 1 .. cardinality(places) LOOP
        new := set_bit(new, places[i], new_bits[i]);
    END LOOP;

    UPDATE unique_random.domains d SET bits = new
     WHERE d.pool = a.pool AND d.first = a.first AND d.chunk = of_chunk;
END
$$;

COMMENT ON FUNCTION unique_random.set_bits(
    unique_random.adoptions, integer, integer[], integer[]) IS
    'changes bits of a chunk';


-- What is noted is seen to be noted, and done, by one snapshot: that of the
-- look at its number.

CREATE OR REPLACE FUNCTION unique_random.take_changes(
    a unique_random.adoptions,
    most integer)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET enable_seqscan = off AS $$
DECLARE
    o record;
    more boolean := false;
BEGIN
    FOR o IN EXECUTE format(
        'WITH taken AS ('
        '    DELETE FROM unique_random.adoption_changes c'
        '     WHERE c.ctid = ANY (ARRAY('
        '               SELECT n.ctid FROM unique_random.adoption_changes n'
        '                WHERE n.pool = $1 AND n.first = $2'
        '                ORDER BY n.pool, n.first, n.number LIMIT $3))'
        '    RETURNING c.number)'
        'SELECT ((n.number - $2) >> 20)::integer AS chunk,'
        '       array_agg(((n.number - $2) & 1048575)::integer) AS places,'
        '       array_agg((NOT EXISTS (SELECT FROM ONLY %2$s AS t'
        '                               WHERE t.%1$I = n.number))::integer)'
        '           AS bits,'
        '       (SELECT count(*) >= $3 FROM taken) AS more'
        '  FROM (SELECT DISTINCT d.number FROM taken d) AS n'
        ' GROUP BY 1', a.attribute, a.relation)
        USING a.pool, a.first, most
    LOOP
        PERFORM unique_random.set_bits(a, o.chunk, o.places, o.bits);
        more := o.more;
    END LOOP;

    RETURN coalesce(more, false);
END
$$;

COMMENT ON FUNCTION unique_random.take_changes(
    unique_random.adoptions, integer) IS
    'looks again at numbers that have changed; returns whether there may be more';


-- The next part of an adoption; returns whether there are more.

CREATE OR REPLACE FUNCTION unique_random.adopt_step(
    of_pool text,
    of_first bigint,
    of_relation regclass,
    most integer DEFAULT 10000)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a unique_random.adoptions;
    next integer;
BEGIN
    EXECUTE format('LOCK TABLE ONLY %s IN ACCESS SHARE MODE', of_relation);

    SELECT t.* INTO a FROM unique_random.adoptions t
     WHERE t.pool = of_pool AND t.first = of_first
       AND t.relation = of_relation
       FOR UPDATE;

    IF NOT FOUND THEN
        RAISE EXCEPTION 'the range of pool "%" that begins with % is not being'
                        ' adopted from % any more', of_pool, of_first,
                        of_relation;
    END IF;

    PERFORM unique_random.require_table(a.relation, a.attribute);

    SELECT coalesce(max(t.chunk) + 1, 0) INTO next
      FROM unique_random.domains t
     WHERE t.pool = of_pool AND t.first = of_first;

    IF next > (a.last - a.first) >> 20 THEN
        RETURN unique_random.take_changes(a, most);
    END IF;

    PERFORM unique_random.read_chunk(a, next);
    RETURN true;
END
$$;

COMMENT ON FUNCTION unique_random.adopt_step(
    text, bigint, regclass, integer) IS
    'goes on with an adoption; returns whether there is more to do';


-- A procedure that commits can have no SET clause, so there is nothing in it
-- that the caller's search_path would have a say in.

CREATE OR REPLACE PROCEDURE unique_random.adopt_prepare(
    pool text,
    first bigint,
    last bigint,
    relation regclass,
    attribute name)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM unique_random.adopt_begin(pool, first, last, relation, attribute,
                                      'ACCESS SHARE');
    COMMIT;

    WHILE unique_random.adopt_step(pool, first, relation) LOOP
        COMMIT;
    END LOOP;
END
$$;

COMMENT ON PROCEDURE unique_random.adopt_prepare(
    text, bigint, bigint, regclass, name) IS
    'reads a table that is to be adopted while it is in use; may be called again';


-- Ends what adopt_begin() has begun, with what is known of it.

CREATE OR REPLACE FUNCTION unique_random.adopt_end(a unique_random.adoptions)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning AS $$
DECLARE
    name text := unique_random.adoption_name(a.first, a.last);
BEGIN
    IF EXISTS (SELECT FROM pg_class c WHERE c.oid = a.relation) THEN
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', name || '_r',
                       a.relation);
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', name || '_t',
                       a.relation);
    END IF;

    DELETE FROM unique_random.adoption_changes t
     WHERE t.pool = a.pool AND t.first = a.first;

    DELETE FROM unique_random.adoptions t
     WHERE t.pool = a.pool AND t.first = a.first;
END
$$;

COMMENT ON FUNCTION unique_random.adopt_end(unique_random.adoptions) IS
    'removes what was needed for an adoption';


CREATE OR REPLACE FUNCTION unique_random.adopt_cancel(
    pool text,
    first bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
    a unique_random.adoptions;
    relation regclass;
BEGIN
    SELECT c.oid INTO relation
      FROM unique_random.adoptions t JOIN pg_class c ON c.oid = t.relation
     WHERE t.pool = adopt_cancel.pool AND t.first = adopt_cancel.first;

    IF FOUND THEN
        EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', relation);
    END IF;

    -- by now adopt() may have ended it

    SELECT t.* INTO a FROM unique_random.adoptions t
     WHERE t.pool = adopt_cancel.pool AND t.first = adopt_cancel.first
       FOR UPDATE;

    IF NOT FOUND THEN
        RAISE EXCEPTION 'pool "%" has no range that begins with % and is being'
                        ' adopted', adopt_cancel.pool, adopt_cancel.first;
    END IF;

    PERFORM unique_random.adopt_end(a);

    DELETE FROM unique_random.domains t
     WHERE t.pool = a.pool AND t.first = a.first;
END
$$;

COMMENT ON FUNCTION unique_random.adopt_cancel(text, bigint) IS
    'abandons what adopt_prepare() has begun';


-- What has become of the rows of a table, or an error if "unused" numbers of
-- its range are not exactly those that it does not have.  Each row is looked at
-- where it is, since changes may not have been noted, and an index be damaged:
-- none has a number that is unused.  And they have as many numbers as are used;
-- how many these are, which takes longer, is seen at once if none comes twice.

CREATE OR REPLACE FUNCTION unique_random.compare(
    a unique_random.adoptions,
    OUT rows bigint,
    OUT in_range bigint,
    OUT duplicates bigint,
    OUT out_of_range bigint,
    OUT nulls bigint,
    OUT used bigint,
    INOUT unused bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET row_security = off
SET enable_seqscan = on
SET enable_indexscan = off
SET enable_indexonlyscan = off
SET enable_bitmapscan = off AS $$
DECLARE
    numbers constant text := format('(SELECT o.%I::bigint AS n FROM ONLY %s AS'
                                    ' o) AS t', a.attribute, a.relation);
    again bigint;
BEGIN
    EXECUTE 'SELECT count(*), count(*) - count(t.n),'
            '       count(*) FILTER (WHERE t.n BETWEEN $1 AND $2),'
            '       count(*) FILTER (WHERE CASE WHEN t.n BETWEEN $1 AND $2'
            '           THEN get_bit((SELECT string_agg(d.bits, '''' ORDER BY'
            '                                           d.chunk)'
            '                           FROM unique_random.domains d'
            '                          WHERE d.pool = $3 AND d.first = $1),'
            '                        (t.n - $1)::integer) = 1 END)'
            '  FROM ' || numbers
       INTO rows, nulls, in_range, again USING a.first, a.last, a.pool;

    used := in_range;

    IF NOT unique_random.has_index(a.relation, a.attribute, true) THEN
        EXECUTE 'SELECT count(DISTINCT t.n) FROM ' || numbers
                || ' WHERE t.n BETWEEN $1 AND $2'
           INTO used USING a.first, a.last;
    END IF;

    out_of_range := rows - nulls - in_range;
    duplicates := in_range - used;

    IF again > 0 OR used + unused <> a.last - a.first + 1 THEN
        RAISE EXCEPTION 'what was read of % is not what it has', a.relation
        USING ERRCODE = 'data_corrupted',
              DETAIL = format('%s of its rows have a number that would be given'
                              ' out again. %s numbers of range %s-%s are used,'
                              ' and %s were read as unused.', again, used,
                              a.first, a.last, unused),
              HINT = format('Some changes were not noted, or an index is'
                            ' damaged: run SELECT'
                            ' unique_random.adopt_cancel(%L, %s); and REINDEX'
                            ' TABLE %s; and begin again.', a.pool, a.first,
                            a.relation);
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.compare(unique_random.adoptions, bigint) IS
    'compares a domain with the table that it was read of';


-- What was prepared becomes a range.  Nobody may write to the table from here
-- on, nor read it: who had read would keep the constraint from being added.

CREATE OR REPLACE FUNCTION unique_random.adopt(
    pool text,
    first bigint,
    last bigint,
    relation regclass,
    attribute name,
    failover text DEFAULT 'fence')
RETURNS TABLE (rows bigint, in_range bigint, duplicates bigint,
               out_of_range bigint, nulls bigint, used bigint, unused bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    a unique_random.adoptions;
    d record;
BEGIN
    PERFORM unique_random.policy(failover);

    PERFORM unique_random.adopt_begin(pool, first, last, relation, attribute,
                                      'ACCESS EXCLUSIVE');

    WHILE unique_random.adopt_step(pool, first, relation, NULL) LOOP
    END LOOP;

    SELECT t.* INTO a FROM unique_random.adoptions t
     WHERE t.pool = adopt.pool AND t.first = adopt.first;

    d := unique_random.require_domain(pool, first, last, NULL);

    RETURN QUERY SELECT c.* FROM unique_random.compare(a, d.size) AS c;

    PERFORM unique_random.adopt_end(a);

    -- what else has begun since it was prepared

    PERFORM unique_random.require_free(pool, first, last);
    PERFORM unique_random.require_unadopted(first, last, relation);
    PERFORM unique_random.make(pool, first, last, NULL, 0, failover, NULL,
                               d.size, d.domain);

    EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I'
                   ' CHECK (%I NOT BETWEEN %s AND %s) NOT VALID', relation,
                   unique_random.adoption_name(first, last), attribute, first,
                   last);
END
$$;

COMMENT ON FUNCTION unique_random.adopt(
    text, bigint, bigint, regclass, name, text) IS
    'makes a range of the numbers that are not in a table, and closes the table for it';


-- Who made the cluster has the constructors of the type, too, and its default
-- privileges decide who may call them.  An update calls them as the owner of
-- the table, but only if the row moves to another page: some time later.

CREATE OR REPLACE FUNCTION unique_random.require_names()
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class c
                    WHERE c.oid = 'unique_random.ranges'::regclass);
BEGIN
    IF NOT has_function_privilege(owner, 'unique_random.names(text,text,text)',
                                  'EXECUTE')
    THEN
        RAISE EXCEPTION 'role "%", which owns the tables, may not call'
                        ' unique_random.names(): as a superuser, run GRANT'
                        ' EXECUTE ON FUNCTION unique_random.names(text, text,'
                        ' text) TO %;', owner, quote_ident(owner)
        USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.require_names() IS
    'raises an error if the owner is kept from what an update calls';


-- Joins the returned intervals of a range that touch, and counts them: those
-- of an earlier schema are neither joined nor counted.  What the planner knows
-- of their number may be old, and a nested loop over many takes minutes.

CREATE OR REPLACE FUNCTION unique_random.recount(
    of_pool text,
    of_first bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off AS $$
BEGIN
    PERFORM FROM unique_random.ranges t
      WHERE t.pool = of_pool AND t.first = of_first
        FOR UPDATE;

    -- an interval begins where none ends, and goes on to the end of the last
    -- one before the next beginning

    WITH old AS (
        SELECT t.start, t.stop,
               coalesce(max(t.stop) OVER w < t.start, true) AS begins
          FROM unique_random.returned t
         WHERE t.pool = of_pool AND t.first = of_first
        WINDOW w AS (ORDER BY t.start ROWS BETWEEN UNBOUNDED PRECEDING
                     AND 1 PRECEDING)
    ), numbered AS (
        SELECT o.start, o.stop, o.begins,
               count(*) FILTER (WHERE o.begins) OVER (ORDER BY o.start) AS n
          FROM old o
    ), whole AS (
        SELECT min(m.start) AS start, max(m.stop) AS stop
          FROM numbered m GROUP BY m.n HAVING count(*) > 1
    ), longer AS (
        UPDATE unique_random.returned t SET stop = w.stop FROM whole w
         WHERE t.pool = of_pool AND t.first = of_first AND t.start = w.start
    )
    DELETE FROM unique_random.returned t USING numbered m
     WHERE t.pool = of_pool AND t.first = of_first AND t.start = m.start
       AND NOT m.begins;

    UPDATE unique_random.ranges t
       SET returned = (SELECT coalesce(sum(s.stop - s.start), 0)
                         FROM unique_random.returned s
                        WHERE s.pool = of_pool AND s.first = of_first),
           returned_from = 0,
           writer = CASE WHEN t.xmin = t.writer::xid
                         THEN pg_current_xact_id() ELSE '0'
                    END
     WHERE t.pool = of_pool AND t.first = of_first;

    PERFORM unique_random.sign(of_pool, of_first);
END
$$;

COMMENT ON FUNCTION unique_random.recount(text, bigint) IS
    'joins and counts what was returned';


-- Who may call what: the members of the role of each pool what a running nginx
-- calls, the owner the rest, and nobody else anything.  SECURITY DEFINER, since a
-- trigger or rule of the owner must not get at the rights of who runs this: SET
-- ROLE it could take back.

CREATE OR REPLACE FUNCTION unique_random.finish()
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    REVOKE ALL ON unique_random.ranges, unique_random.holders,
                  unique_random.returned, unique_random.domains,
                  unique_random.adoptions, unique_random.adoption_changes
             FROM PUBLIC;

    DECLARE
        f regprocedure;
        name text;

        -- a reservation that an earlier schema's function has begun goes on
        -- with what that one calls, until revoke_tables()
        earlier constant boolean := EXISTS (
            SELECT FROM pg_proc o
             WHERE o.pronamespace = 'unique_random'::regnamespace
               AND o.proname = 'objection');
    BEGIN
        FOR f IN
            SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
             WHERE p.pronamespace = 'unique_random'::regnamespace
               AND l.lanname <> 'internal'
               AND pg_get_userbyid(p.proowner) = current_user
               AND NOT (earlier AND p.proname IN ('timeline', 'fingerprint',
                                                  'suspicion', 'objection'))
             ORDER BY p.oid
        LOOP
            EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', f);
        END LOOP;

        FOR name IN
            SELECT 'unique_random' UNION SELECT t.role FROM unique_random.ranges t
        LOOP
            IF to_regrole(quote_ident(name)) IS NOT NULL THEN
                PERFORM unique_random.grant_to(name);
            END IF;
        END LOOP;

    END;

    BEGIN
        PERFORM unique_random.require_names();

    EXCEPTION
        WHEN insufficient_privilege THEN
            RAISE WARNING '%', SQLERRM;
    END;

    DECLARE
        name text;
    BEGIN
        FOR name IN
            SELECT DISTINCT quote_ident(pg_get_userbyid(x.grantee))
              FROM (SELECT c.relacl FROM pg_class c
                     WHERE c.oid = 'unique_random.ranges'::regclass
                    UNION ALL
                    SELECT a.attacl FROM pg_attribute a
                     WHERE a.attrelid = 'unique_random.ranges'::regclass
                   ) AS l (acl), aclexplode(l.acl) AS x
             WHERE x.privilege_type = 'UPDATE' AND x.grantee <> 0
               AND NOT has_function_privilege(x.grantee,
                           'unique_random.reserve(text,bigint,bigint,uuid,bigint,'
                           'bigint,uuid,bigint,bigint,bigint,text,integer,bigint,'
                           'boolean)', 'EXECUTE')
        LOOP
            RAISE WARNING 'role % has rights on the tables, which are not enough to'
                          ' reserve: run GRANT unique_random TO %;', name, name;
        END LOOP;
    END;

    BEGIN
        PERFORM unique_random.recount(r.pool, r.first)
           FROM (SELECT t.pool, t.first, sum(t.stop - t.start) AS size,
                        count(*) FILTER (WHERE t.joins) AS joins
                   FROM (SELECT b.pool, b.first, b.start, b.stop,
                                b.start <= lag(b.stop) OVER w AS joins
                           FROM unique_random.returned b
                         WINDOW w AS (PARTITION BY b.pool, b.first
                                      ORDER BY b.start)) AS t
                  GROUP BY t.pool, t.first) AS b
           RIGHT JOIN unique_random.ranges r USING (pool, first)
          WHERE r.returned <> coalesce(b.size, 0) OR b.joins > 0;
    END;
END
$$;

COMMENT ON FUNCTION unique_random.finish() IS
    'sets who may call what, and counts what was returned';

REVOKE ALL ON FUNCTION unique_random.finish() FROM PUBLIC;

DO $$ BEGIN PERFORM unique_random.finish(); END $$;

COMMIT;
