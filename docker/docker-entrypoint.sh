#!/bin/sh
#
# The convention of nginx's official image: before nginx starts, the scripts in
# /docker-entrypoint.d are run in the order of their names.  *.envsh are
# sourced, and can set variables for those behind them.  One that fails ends
# the container.

set -e

scripts=${NGINX_ENTRYPOINT_DIR:-/docker-entrypoint.d}

log() {
    [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "${0##*/}: $*"
}

case ${1##*/} in
    nginx | nginx-debug)
        # Engines start with 1024 open files, and leave the rest to who asks.
        # shellcheck disable=SC3045  # Debian's sh has both
        ulimit -Sn "$(ulimit -Hn)"

        for script in "$scripts"/*; do
            case $script in
                *.envsh | *.sh)
                    if [ ! -x "$script" ]; then
                        log "ignoring $script, which is not executable"
                        continue
                    fi
                    ;;
                *)
                    log "ignoring $script"
                    continue
                    ;;
            esac

            log "running $script"

            if [ "${script%.envsh}" = "$script" ]; then
                "$script"
            else
                # shellcheck disable=SC1090  # known when it runs
                . "$script"
            fi
        done
        ;;
esac

exec "$@"
