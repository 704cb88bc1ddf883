#!/bin/sh
#
# A line of the pool for each DB_SHARD_n_URL that is set, in a file of that
# name, which nginx tells with whatever it does not like of the line.
#
# The URL itself, which may have a password, stays in the environment: nginx
# expands "${DB_SHARD_n_URL}" when it reads the line, and "env" keeps the
# variable for a new binary.
#
# Shard n has the numbers from n * 500000 + 1 to (n + 1) * 500000.  Once some
# shard has a range of its own, this is guessed of none but 0 and 1, as ever.

set -euf

output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
size=500000
largest=9223372036854775807

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

# Whether it is one that a range may have; the shell has no larger ones.
is_number() {
    case $1 in
        '' | *[!0-9]* | ????????????????????*) return 1 ;;
        ???????????????????)
            [ "$(printf '%s\n' "$1" $largest | sort | tail -n 1)" = $largest ]
            ;;
    esac
}

# One end of a range, or nothing.
number() { # variable, default or nothing
    value=$(printenv "$1") || true
    value=${value:-$2}

    [ -z "$value" ] || is_number "$value" \
        || fail "$1 is \"$value\", which must be a number from 0 to $largest"

    echo "$value"
}

# What nginx says of the rest has no piece of a password in it.
check_url() { # shard
    url=$(printenv "$1_URL") || true

    case ${url%%://*} in
        '')
            fail "$1_URL is not set, although another variable of shard" \
                "${1##*_} is"
            ;;
        postgres | postgresql | postgres+* | postgresql+* | *=*) ;;
        *)
            fail "$1_URL must begin with postgresql://, or be pairs such as" \
                "host=db0.example.com; what it is may have a password, and" \
                "so is not shown"
            ;;
    esac
}

check_options() { # shard, its options
    for word in $2; do
        echo "$word" | grep -Eqx "drain|down|failover=(fence|trust|advance:[0-9]+)|\
max_fails=[0-9]+|fail_timeout=([0-9]+(ms|[smhdwMy])?)+" \
            || fail "$1_OPTIONS is \"$2\": it takes drain, down," \
                "max_fails=NUMBER, fail_timeout=TIME, failover=fence," \
                "failover=trust and failover=advance:NUMBER"
    done
}

# Those of all shards, in the order of numbers: each a first and a last one, and
# the shard.
check_ranges() {
    sort -n | {
        seen=-1

        while read -r first last shard; do
            [ "$first" -le "$last" ] \
                || fail "${shard}_RANGE_START is \"$first\", which is more" \
                    "than ${shard}_RANGE_END, \"$last\""
            [ "$first" -gt "$seen" ] \
                || fail "${shard}_RANGE_START is \"$first\", but" \
                    "${other}_RANGE_END is \"$seen\": no number may be in" \
                    "two shards"

            seen=$last
            other=$shard
        done
    }
}

{ mkdir -p "$output/main" "$output/shards" && [ -w "$output/shards" ]; } \
    || fail "$output cannot be written to by user $(id -u), group $(id -g)"

[ -n "$(shards URL)" ] \
    || fail "DB_SHARD_0_URL is not set: it is where the first shard is, such" \
        "as postgresql://nginx:PASSWORD@db0.example.com/numbers"

# A container that starts again may have others than before.
find "$output/shards" -name 'DB_SHARD_*_URL.conf' -delete

own_ranges=$(shards 'RANGE_START|RANGE_END')

for n in $(shards 'URL|RANGE_START|RANGE_END|OPTIONS'); do
    shard=DB_SHARD_$n
    check_url "$shard"

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
    check_options "$shard" "$options"

    echo "env ${shard}_URL;" >&3
    echo "$first $last $shard" >&4
    echo "shard \"\${${shard}_URL}\" range=$first-$last name=shard$n" \
        "$options;" > "$output/shards/${shard}_URL.conf"
done 3> "$output/main/shards.conf" 4> "$output/ranges"

check_ranges < "$output/ranges"
rm "$output/ranges"
