-- The database's side of unique_random: one row a range, and the one
-- statement that reserves positions of it.
--
-- Run it with psql as the owner of the database, as often as you like:
--
--     psql -d numbers -f schema.sql
--
-- "bootstrap on" runs the same text.  It changes nothing that is already
-- there, and two that run it at once wait for each other.
--
-- A position is granted at most once, ever.  So nothing here may lower
-- "reserved", change "key", or write a row of "ranges" behind the back of
-- these functions: a row that somebody else has written grants nothing until
-- unique_random.accept() has been called for it.

BEGIN;

SET LOCAL client_min_messages = warning;

DO $$ BEGIN PERFORM pg_advisory_xact_lock(7959390389040738153); END $$;

CREATE SCHEMA IF NOT EXISTS unique_random;

COMMENT ON SCHEMA unique_random IS
    'unique random numbers: ranges, and the positions of them that are reserved';


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
    failover           text NOT NULL DEFAULT 'fence'
                       CHECK (failover IN ('fence', 'trust')),
    system_identifier  bigint NOT NULL,
    timeline           bigint NOT NULL,
    database           oid NOT NULL,
    relation           oid NOT NULL,
    writer             xid8 NOT NULL,

    PRIMARY KEY (pool, first),

    CONSTRAINT ranges_bounds
        CHECK (first <= last AND last - first < 9223372036854775807),

    CONSTRAINT ranges_reserved
        CHECK (reserved >= 0 AND reserved - 1 <= last - first),

    -- numrange, since the upper bound of int8range overflows at 2^63-1
    CONSTRAINT ranges_overlap EXCLUDE USING gist (
        unique_random.names(pool, pool, '[]') WITH &&,
        numrange(first, last, '[]') WITH &&
    )
);

COMMENT ON TABLE unique_random.ranges IS
    'the numbers first..last of a pool; positions [0, reserved) are claimed';
COMMENT ON COLUMN unique_random.ranges.key IS
    'secret of the permutation: never changes; back it up';
COMMENT ON COLUMN unique_random.ranges.granted IS
    'size of the last grant';
COMMENT ON COLUMN unique_random.ranges.serial IS
    'counts the grants: the time as this range knows it';
COMMENT ON COLUMN unique_random.ranges.epoch IS
    'accept() raises it and renews the incarnation';
COMMENT ON COLUMN unique_random.ranges.fenced IS
    'why nothing is granted until accept() is called, or NULL';
COMMENT ON COLUMN unique_random.ranges.failover IS
    'fence, or trust: a changed timeline is no reason to stop as long as synchronous_standby_names is set';
COMMENT ON COLUMN unique_random.ranges.writer IS
    'transaction that wrote this row; equals xmin unless somebody else has';


CREATE TABLE IF NOT EXISTS unique_random.holders (
    holder  uuid NOT NULL,
    pool    text NOT NULL,
    first   bigint NOT NULL,
    serial  bigint NOT NULL,

    PRIMARY KEY (pool, first, holder)
);

COMMENT ON TABLE unique_random.holders IS
    'the last serial that was granted to each nginx';


CREATE TABLE IF NOT EXISTS unique_random.returned (
    pool    text NOT NULL,
    first   bigint NOT NULL,
    start   bigint NOT NULL CHECK (start >= 0),
    stop    bigint NOT NULL,

    PRIMARY KEY (pool, first, start),
    CHECK (start < stop)
);

COMMENT ON TABLE unique_random.returned IS
    'positions [start, stop) given back unissued by a clean stop';


-- The name of a WAL file has the timeline of now; pg_control_checkpoint() has
-- a stale one for minutes after a promotion.

CREATE OR REPLACE FUNCTION unique_random.timeline()
RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))
           ::bit(32)::bigint;
$$;

COMMENT ON FUNCTION unique_random.timeline() IS
    'the timeline that this server writes';


-- What tells one copy of a database from another.  In PL/pgSQL, since that
-- plans a query once a session, which a function in SQL does at each call.

CREATE OR REPLACE FUNCTION unique_random.fingerprint(
    OUT system_identifier bigint,
    OUT timeline bigint,
    OUT database oid,
    OUT relation oid,
    OUT permanent boolean)
LANGUAGE plpgsql STABLE AS $$
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


-- Why the range r must not be granted from, or NULL.  What the caller
-- remembers of the range comes as seen_*; zero and NULL say that it
-- remembers nothing.

CREATE OR REPLACE FUNCTION unique_random.suspicion(
    r unique_random.ranges,
    written_here boolean,
    holder uuid,
    holder_serial bigint,
    seen_epoch bigint,
    seen_serial bigint,
    seen_reserved bigint,
    seen_timeline bigint)
RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f record;
    h bigint;
BEGIN
    IF r.fenced IS NOT NULL THEN
        RETURN r.fenced;
    END IF;

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
                AND current_setting('synchronous_standby_names') <> '')
    THEN
        RETURN format('timeline is %s instead of %s', f.timeline, r.timeline);
    END IF;

    IF NOT written_here THEN
        RETURN 'the row was not written by a reservation';
    END IF;

    IF r.reserved < seen_reserved THEN
        RETURN format('reserved is %s, but %s were seen to be reserved',
                      r.reserved, seen_reserved);
    END IF;

    IF r.epoch > seen_epoch THEN
        RETURN NULL;
    END IF;

    IF r.serial < seen_serial THEN
        RETURN format('serial is %s, but %s was seen', r.serial, seen_serial);
    END IF;

    IF f.timeline < seen_timeline THEN
        RETURN format('timeline is %s, but %s was seen',
                      f.timeline, seen_timeline);
    END IF;

    IF holder_serial > 0 THEN
        SELECT t.serial INTO h FROM unique_random.holders t
         WHERE t.pool = r.pool AND t.first = r.first
           AND t.holder = suspicion.holder;

        IF h IS NULL OR h < holder_serial THEN
            RETURN format('the grant with serial %s is forgotten',
                          holder_serial);
        END IF;
    END IF;

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION unique_random.suspicion(
    unique_random.ranges, boolean, uuid, bigint, bigint, bigint, bigint,
    bigint) IS
    'why a range must not be granted from, or NULL';


-- Why the caller and this range do not belong together, if so: the refusals
-- mismatch, stale and fenced of reserve().

CREATE OR REPLACE FUNCTION unique_random.objection(
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
    OUT detail text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    -- another key is another range; the same one in an earlier life is a host
    -- that was left behind

    IF r.last <> of_last THEN
        refusal := 'mismatch';

    ELSIF encode(sha256(r.key), 'hex') <> seen_digest THEN
        detail := 'the key has changed';

    ELSIF r.epoch < seen_epoch
          OR r.epoch = seen_epoch AND r.incarnation <> seen_incarnation
    THEN
        refusal := 'stale';

    ELSE
        detail := unique_random.suspicion(r, written_here, holder,
                                          holder_serial, seen_epoch,
                                          seen_serial, seen_reserved,
                                          seen_timeline);
    END IF;

    IF detail IS NOT NULL THEN
        refusal := 'fenced';
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.objection(
    unique_random.ranges, boolean, bigint, uuid, bigint, bigint, uuid, bigint,
    bigint, bigint, text) IS
    'why the caller and a range do not belong together, or NULL';


-- The reservation.  Grants min(want, what is left) positions as one
-- interval [start, start + count), or says in "refusal" why not:
--
--     standby    this server does not accept writes
--     volatile   its commits may be lost, whatever they say: fsync is off
--     missing    no such range, or no right to see it
--     mismatch   the range is there, but with another last number
--     stale      the caller has seen a later life of this range
--     fenced     "detail" says why; remembered in the row, for all callers
--     exhausted  nothing is left
--
-- want = 0 asks without reserving, locking or changing anything, except that
-- what is seen to be wrong is remembered.  The key is sent with_key only.
--
-- set_config(..., true) reaches the commit of this transaction, and no SET
-- clause is used, since that would be undone before it.

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
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    setting text;
    v record;
    o record;
    r unique_random.ranges;
    b unique_random.returned;
    fresh bigint := 0;
BEGIN
    IF pg_is_in_recovery()
       OR current_setting('transaction_read_only')::boolean
    THEN
        refusal := 'standby';
        RETURN NEXT;
        RETURN;
    END IF;

    IF current_setting('synchronous_commit')
       IN ('off', 'local', 'remote_write')
    THEN
        setting := set_config('synchronous_commit', 'on', true);
    END IF;

    IF current_setting('fsync') <> 'on' THEN
        refusal := 'volatile';
        RETURN NEXT;
        RETURN;
    END IF;

    setting := set_config('client_min_messages', 'warning', true);
    setting := set_config('lock_timeout', lock_wait::text, true);

    IF want > 0 THEN
        PERFORM FROM unique_random.ranges t
          WHERE t.pool = of_pool AND t.first = of_first
            FOR UPDATE;
    END IF;

    -- by a snapshot that was taken after the lock

    SELECT t AS range, t.xmin AS version,
           t.xmin = t.writer::xid AS written_here,
           (SELECT coalesce(sum(s.stop - s.start), 0)
              FROM unique_random.returned s
             WHERE s.pool = of_pool AND s.first = of_first) AS returned
      INTO v
      FROM unique_random.ranges t
     WHERE t.pool = of_pool AND t.first = of_first;

    IF NOT FOUND THEN
        refusal := 'missing';
        RETURN NEXT;
        RETURN;
    END IF;

    r := v.range;

    o := unique_random.objection(r, v.written_here, of_last, holder,
                                 holder_serial, seen_epoch, seen_incarnation,
                                 seen_serial, seen_reserved, seen_timeline,
                                 seen_digest);
    refusal := o.refusal;
    detail := o.detail;

    -- a later life may have granted all that this one thinks is free; and
    -- without the lock, accept() may have been called since

    IF refusal IN ('fenced', 'stale') AND r.fenced IS NULL THEN
        UPDATE unique_random.ranges t
           SET fenced = coalesce(detail,
                                 'a later life of the range has been seen')
         WHERE t.pool = of_pool AND t.first = of_first AND t.xmin = v.version;
    END IF;

    pool := r.pool;
    first := r.first;
    last := r.last;
    algorithm := r.algorithm;
    digest := encode(sha256(r.key), 'hex');
    start := r.reserved;
    count := 0;

    IF with_key THEN
        key := encode(r.key, 'hex');
    END IF;

    IF refusal IS NULL AND want > 0 THEN

        fresh := least(want, r.last - r.first + 1 - r.reserved);
        count := fresh;

        IF fresh = 0 THEN
            DELETE FROM unique_random.returned t
             WHERE t.pool = of_pool AND t.first = of_first
               AND t.start = (SELECT min(m.start) FROM unique_random.returned m
                               WHERE m.pool = of_pool AND m.first = of_first)
            RETURNING t.* INTO b;

            IF NOT FOUND THEN
                refusal := 'exhausted';

            ELSE
                start := b.start;
                count := least(want, b.stop - b.start);

                IF start + count < b.stop THEN
                    INSERT INTO unique_random.returned
                    VALUES (of_pool, of_first, start + count, b.stop);
                END IF;
            END IF;
        END IF;
    END IF;

    IF count > 0 THEN
        UPDATE unique_random.ranges t
           SET reserved = t.reserved + fresh,
               granted = count,
               serial = t.serial + 1,
               timeline = unique_random.timeline(),
               writer = pg_current_xact_id()
         WHERE t.pool = of_pool AND t.first = of_first
        RETURNING t.* INTO r;

        INSERT INTO unique_random.holders AS t (holder, pool, first, serial)
        VALUES (reserve.holder, of_pool, of_first, r.serial)
        ON CONFLICT ON CONSTRAINT holders_pkey
        DO UPDATE SET serial = excluded.serial;
    END IF;

    reserved := r.reserved;
    returned := v.returned - (count - fresh);
    serial := r.serial;
    epoch := r.epoch;
    incarnation := r.incarnation;
    timeline := r.timeline;
    failover := r.failover;

    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION unique_random.reserve(
    text, bigint, bigint, uuid, bigint, bigint, uuid, bigint, bigint, bigint,
    text, integer, bigint, boolean) IS
    'grants the next positions of a range to an nginx, or says why not';


-- Takes positions [starts[i], stops[i]) back that were granted to the caller
-- and never issued, to be granted again when the fresh ones are used up.
-- Returns why not, or NULL.  The caller has forgotten them before and does not
-- try again, whatever comes of it.

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
LANGUAGE plpgsql VOLATILE AS $$
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

    PERFORM set_config('lock_timeout', lock_wait::text, true);

    PERFORM FROM unique_random.ranges t
      WHERE t.pool = of_pool AND t.first = of_first
        FOR UPDATE;

    SELECT t AS range, t.xmin = t.writer::xid AS written_here INTO v
      FROM unique_random.ranges t
     WHERE t.pool = of_pool AND t.first = of_first;

    IF NOT FOUND THEN
        RETURN 'missing';
    END IF;

    r := v.range;

    o := unique_random.objection(r, v.written_here, of_last, holder,
                                 holder_serial, seen_epoch, seen_incarnation,
                                 seen_serial, seen_reserved, seen_timeline,
                                 seen_digest);

    IF o.refusal IS NOT NULL THEN
        RETURN coalesce(o.detail, o.refusal);
    END IF;

    -- what was granted in an earlier life may be somebody else's in this one

    IF r.epoch <> seen_epoch THEN
        RETURN 'the range has begun a new life';
    END IF;

    IF EXISTS (SELECT FROM unnest(starts, stops) AS u (start, stop)
                WHERE u.stop > r.reserved)
       OR EXISTS (SELECT FROM unnest(starts, stops) AS u (start, stop),
                              unique_random.returned t
                   WHERE t.pool = of_pool AND t.first = of_first
                     AND t.start < u.stop AND t.stop > u.start)
    THEN
        RETURN 'they are not the caller''s';
    END IF;

    INSERT INTO unique_random.returned (pool, first, start, stop)
    SELECT of_pool, of_first, u.start, u.stop
      FROM unnest(starts, stops) AS u (start, stop);

    RETURN NULL;
END
$$;

COMMENT ON FUNCTION unique_random.give_back(
    text, bigint, bigint, uuid, bigint, bigint, uuid, bigint, bigint, bigint,
    text, integer, bigint[], bigint[]) IS
    'takes positions back that an nginx has not issued, or says why not';


-- For operators.

CREATE OR REPLACE FUNCTION unique_random.add(
    pool text,
    first bigint,
    last bigint,
    key bytea DEFAULT NULL,
    reserved bigint DEFAULT 0,
    failover text DEFAULT 'fence')
RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_variable
DECLARE
    f record;
    o unique_random.ranges;
BEGIN
    IF first < 0 OR first > last OR last - first = 9223372036854775807 THEN
        RAISE EXCEPTION 'invalid range %-%', first, last
        USING HINT = 'first and last must be between 0 and'
                     ' 9223372036854775807, first not above last, and the'
                     ' range must not hold more than 9223372036854775807'
                     ' numbers.';
    END IF;

    -- said here, since the error of a constraint shows the row with its key

    IF length(key) <> 32 THEN
        RAISE EXCEPTION 'key must have 32 bytes, not %', length(key);
    END IF;

    IF reserved < 0 OR reserved - 1 > last - first THEN
        RAISE EXCEPTION 'reserved must be between 0 and %, not %',
                        last - first + 1, reserved;
    END IF;

    IF failover NOT IN ('fence', 'trust') THEN
        RAISE EXCEPTION 'failover must be fence or trust, not %', failover;
    END IF;

    SELECT t.* INTO o FROM unique_random.ranges t
     WHERE t.pool = add.pool AND t.first <= add.last AND t.last >= add.first
     LIMIT 1;

    IF FOUND THEN
        RAISE EXCEPTION 'range %-% overlaps range %-% of pool "%"',
                        first, last, o.first, o.last, pool
        USING ERRCODE = 'exclusion_violation';
    END IF;

    f := unique_random.fingerprint();

    -- A range that comes with its key has had a life before: the clock as its
    -- epoch puts this life after that one.

    INSERT INTO unique_random.ranges
           (pool, first, last, key, reserved, epoch, failover,
            system_identifier, timeline, database, relation, writer)
    VALUES (add.pool, add.first, add.last,
            coalesce(add.key,
                     sha256(decode(replace(concat(gen_random_uuid(),
                                                  gen_random_uuid(),
                                                  gen_random_uuid()),
                                           '-', ''), 'hex'))),
            add.reserved,
            CASE WHEN add.key IS NULL THEN 1
                 ELSE extract(epoch FROM clock_timestamp())::bigint
            END,
            add.failover, f.system_identifier, f.timeline, f.database, f.relation,
            pg_current_xact_id());
END
$$;

COMMENT ON FUNCTION unique_random.add(
    text, bigint, bigint, bytea, bigint, text) IS
    'makes a range; with key and reserved, one that has lived elsewhere';


CREATE OR REPLACE FUNCTION unique_random.accept(
    pool text,
    first bigint,
    at_least bigint DEFAULT NULL,
    advance bigint DEFAULT NULL)
RETURNS TABLE (reserved bigint, skipped bigint, epoch bigint)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    f record;
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

    size := r.last - r.first + 1;

    IF at_least > size THEN
        RAISE EXCEPTION 'at_least must be at most %, the size of the range',
                        size;
    END IF;

    target := greatest(r.reserved + least(coalesce(advance, 0),
                                          size - r.reserved),
                       at_least);

    DELETE FROM unique_random.holders t
     WHERE t.pool = accept.pool AND t.first = accept.first;

    DELETE FROM unique_random.returned t
     WHERE t.pool = accept.pool AND t.first = accept.first;

    f := unique_random.fingerprint();

    -- later than any life that some nginx may have seen of another copy

    skipped := target - r.reserved;
    r.epoch := greatest(r.epoch + 1,
                        extract(epoch FROM clock_timestamp())::bigint);

    UPDATE unique_random.ranges t
       SET reserved = target,
           granted = 0,
           epoch = r.epoch,
           incarnation = gen_random_uuid(),
           fenced = NULL,
           system_identifier = f.system_identifier,
           timeline = f.timeline,
           database = f.database,
           relation = f.relation,
           writer = pg_current_xact_id()
     WHERE t.pool = accept.pool AND t.first = accept.first;

    reserved := target;
    epoch := r.epoch;

    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION unique_random.accept(text, bigint, bigint, bigint) IS
    'goes on with a fenced range: skips positions, takes this database for the true one';


CREATE OR REPLACE FUNCTION unique_random.close(
    pool text,
    first bigint)
RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    r unique_random.ranges;
BEGIN
    UPDATE unique_random.ranges t SET fenced = 'closed: moved away'
     WHERE t.pool = close.pool AND t.first = close.first
    RETURNING t.* INTO r;

    IF NOT FOUND THEN
        RAISE EXCEPTION 'pool "%" has no range that begins with %',
                        close.pool, close.first;
    END IF;

    RETURN format('SELECT unique_random.add(%L, %s, %s, key => decode(%L, %L),'
                  ' reserved => %s, failover => %L);',
                  r.pool, r.first, r.last, encode(r.key, 'hex'), 'hex',
                  r.reserved, r.failover);
END
$$;

COMMENT ON FUNCTION unique_random.close(text, bigint) IS
    'ends a range here and returns the SQL that goes on with it elsewhere';


CREATE OR REPLACE FUNCTION unique_random.set_failover(
    pool text,
    first bigint,
    policy text)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
    IF policy NOT IN ('fence', 'trust') THEN
        RAISE EXCEPTION 'policy must be fence or trust, not %', policy;
    END IF;

    -- a row that somebody else wrote stays recognizable as such

    UPDATE unique_random.ranges t
       SET failover = policy,
           writer = CASE WHEN t.xmin = t.writer::xid
                         THEN pg_current_xact_id() ELSE t.writer
                    END
     WHERE t.pool = set_failover.pool AND t.first = set_failover.first;

    IF NOT FOUND THEN
        RAISE EXCEPTION 'pool "%" has no range that begins with %',
                        set_failover.pool, set_failover.first;
    END IF;
END
$$;

COMMENT ON FUNCTION unique_random.set_failover(text, bigint, text) IS
    'what a changed timeline means for a range: fence or trust';


CREATE OR REPLACE FUNCTION unique_random.bootstrap(
    pool text,
    firsts bigint[],
    lasts bigint[],
    failover text DEFAULT 'fence')
RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(7959390389040738153),
            set_config('row_security', 'off', true);

    -- A database that knows the pool but not the range is a wrong one, or one
    -- that has forgotten: nothing to be mended by a machine.

    IF EXISTS (SELECT FROM unique_random.ranges t
                WHERE t.pool = bootstrap.pool)
    THEN
        RETURN false;
    END IF;

    PERFORM unique_random.add(bootstrap.pool, u.first, u.last,
                              failover => bootstrap.failover)
       FROM unnest(firsts, lasts) AS u (first, last);

    RETURN true;
END
$$;

COMMENT ON FUNCTION unique_random.bootstrap(text, bigint[], bigint[], text) IS
    'makes the ranges of a pool in a database that has none of it';


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
        RAISE WARNING 'role "unique_random" was not created: %', SQLERRM;
END
$$;

REVOKE ALL ON FUNCTION
    unique_random.add(text, bigint, bigint, bytea, bigint, text),
    unique_random.accept(text, bigint, bigint, bigint),
    unique_random.close(text, bigint),
    unique_random.set_failover(text, bigint, text),
    unique_random.bootstrap(text, bigint[], bigint[], text)
FROM PUBLIC;

DO $$
BEGIN
    IF to_regrole('unique_random') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA unique_random TO unique_random;

        GRANT SELECT,
              UPDATE (reserved, granted, serial, timeline, writer, fenced)
           ON unique_random.ranges TO unique_random;

        GRANT SELECT, INSERT, UPDATE (serial)
           ON unique_random.holders TO unique_random;

        GRANT SELECT, INSERT, DELETE
           ON unique_random.returned TO unique_random;
    END IF;
END
$$;

COMMIT;
