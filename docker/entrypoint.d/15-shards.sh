#!/bin/sh
#
# A line of the pool for each DB_SHARD_n_URL that is set.
#
# The URL itself, which may have a password, stays in the environment: nginx
# expands "${DB_SHARD_n_URL}" when it reads the line, and "env" keeps the
# variable for a new binary.
#
# Shard n has the numbers from n * 500000 + 1 to (n + 1) * 500000.  Once some
# shard has a range of its own, this is guessed of none but 0 and 1, as ever.

set -eu

output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
size=500000

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# The numbers n of the variables DB_SHARD_n_NAME that are set to something.
shards() { # NAME, a pattern
    awk -v name="$1" 'BEGIN {
        for (variable in ENVIRON) {
            if (variable ~ "^DB_SHARD_(0|[1-9][0-9]*)_(" name ")$" \
                && ENVIRON[variable] != "")
            {
                split(variable, part, "_")
                print part[3]
            }
        }
    }' | sort -nu
}

# One end of a range, or nothing.
number() { # variable, default or nothing
    value=$(printenv "$1") || true

    case ${value:=$2} in
        *[!0-9]*) fail "$1 is \"$value\", which is not a number" ;;
    esac

    echo "$value"
}

mkdir -p "$output/main" "$output/shards" \
    || fail "$output cannot be written to by user $(id -u)"

[ -n "$(shards URL)" ] \
    || fail "DB_SHARD_0_URL is not set: it is where the first shard is, such" \
        "as postgresql://nginx:PASSWORD@db0.example.com/numbers"

own_ranges=$(shards 'RANGE_START|RANGE_END')

for n in $(shards 'URL|RANGE_START|RANGE_END|OPTIONS'); do
    shard=DB_SHARD_$n

    printenv "${shard}_URL" | grep -q . \
        || fail "${shard}_URL is not set, although another variable of shard" \
            "$n is"

    first=$((n * size + 1))
    last=$(((n + 1) * size))

    if [ "$n" -gt 1 ] && [ -n "$own_ranges" ]; then
        first=
        last=
    fi

    first=$(number "${shard}_RANGE_START" "$first")
    last=$(number "${shard}_RANGE_END" "$last")

    missing=
    [ -n "$first" ] || missing=${shard}_RANGE_START
    [ -n "$last" ] || missing="${missing:+$missing and }${shard}_RANGE_END"
    [ -z "$missing" ] || fail "shard $n has a URL, but no $missing"

    options=$(printenv "${shard}_OPTIONS") || true

    case $options in
        *[!a-z0-9_=\ ]*)
            fail "${shard}_OPTIONS is \"$options\": it takes parameters of" \
                "\"shard\", such as \"drain\" or \"max_fails=5\""
            ;;
    esac

    echo "env ${shard}_URL;" >&3
    echo "shard \"\${${shard}_URL}\" range=$first-$last name=shard$n" \
        "$options;" >&4
done 3> "$output/main/shards.conf" 4> "$output/shards/shards.conf"
