#!/bin/bash
#
# Makes the cluster at the first start: with a server that is not reached from
# outside, as the official image does.

set -eu

as_postgres() {
    setpriv --reuid postgres --regid postgres --init-groups "$@"
}

: "${POSTGRES_PASSWORD:?must be set}"

user=${POSTGRES_USER:-postgres}
db=${POSTGRES_DB:-$user}

chown postgres: "$PGDATA"
chmod 700 "$PGDATA"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    as_postgres initdb -U "$user" --auth-local=trust --auth-host=scram-sha-256 \
        --locale=C.UTF-8
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"

    as_postgres pg_ctl -w start -o "-c listen_addresses=''"

    psql -U "$user" -v user="$user" -v password="$POSTGRES_PASSWORD" postgres \
        <<< "ALTER ROLE :\"user\" PASSWORD :'password'"
    [ "$db" = postgres ] || createdb -U "$user" "$db"

    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh)  "$file" ;;
            *.sql) psql -U "$user" -v ON_ERROR_STOP=1 -f "$file" "$db" ;;
        esac
    done

    as_postgres pg_ctl -w stop -m fast
fi

exec setpriv --reuid postgres --regid postgres --init-groups \
    "$@" -c 'listen_addresses=*'
