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

# The last one whose range by default ends before it.
last_shard=18446744073708

# As many numbers as a range that was adopted may have.
most_adopted=1073741824

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

    # The shell takes a number with a 0 before it for an octal one.
    echo "$value" | sed 's/^0*\(.\)/\1/'
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

is_time() { # text, with units as nginx wants them: the largest one first
    pattern=

    for unit in w d h m s ms ''; do
        pattern="$pattern([0-9]{1,9}$unit)?"
    done

    echo "$1" | grep -Eqx "$pattern"
}

is_option() { # a word of the options
    case $1 in
        adopted | drain | down | failover=fence | failover=trust) ;;
        max_fails=*) is_number "${1#*=}" ;;
        fail_timeout=*[1-9]*) is_time "${1#*=}" ;;
        failover=advance:[1-9]*)
            is_number "${1#*:}" && [ "${1#*:}" -le 4611686018427387904 ]
            ;;
        *) return 1 ;;
    esac
}

check_options() { # shard, its options
    seen=

    for word in $2; do
        is_option "$word" \
            || fail "$1_OPTIONS is \"$2\": it takes drain, down," \
                "max_fails=NUMBER, fail_timeout=TIME, failover=fence," \
                "failover=trust, failover=advance:NUMBER with a number from" \
                "1 to 4611686018427387904, and adopted; \"$word\" is none"

        case " $seen " in
            *" ${word%%=*} "*)
                fail "$1_OPTIONS is \"$2\", which has \"${word%%=*}\" twice"
                ;;
        esac

        seen="$seen ${word%%=*}"
    done
}

check_size() { # shard, its first and its last number, parameter
    many=$(($3 - $2))

    [ $many -lt $largest ] \
        || fail "$1_RANGE_START is \"$2\" and $1_RANGE_END is \"$3\": a" \
            "range must not have more than $largest numbers"
    [ "$4" = range ] || [ $many -lt $most_adopted ] \
        || fail "$1_RANGE_START is \"$2\" and $1_RANGE_END is \"$3\": a" \
            "range that was adopted must not have more than $most_adopted" \
            "numbers"
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

    [ ${#n} -le 18 ] || fail "${shard}_*: a shard has a number of up to 18" \
        "digits"

    first=
    last=

    if [ "$n" -le 1 ] || [ -z "$own_ranges" ] && [ "$n" -le $last_shard ]; then
        first=$((n * size + 1))
        last=$(((n + 1) * size))
    fi

    first=$(number "${shard}_RANGE_START" "$first")
    last=$(number "${shard}_RANGE_END" "$last")

    missing=
    [ -n "$first" ] || missing=${shard}_RANGE_START
    [ -n "$last" ] || missing="${missing:+$missing and }${shard}_RANGE_END"
    [ -z "$missing" ] || fail "shard $n has a URL, but no $missing"

    options=$(printenv "${shard}_OPTIONS") || true
    check_options "$shard" "$options"

    range=range
    rest=

    for word in $options; do
        case $word in
            adopted) range=adopted ;;
            *)       rest="$rest $word" ;;
        esac
    done

    check_size "$shard" "$first" "$last" $range

    echo "env ${shard}_URL;" >&3
    echo "$first $last $shard" >&4
    echo "shard \"\${${shard}_URL}\" $range=$first-$last name=shard$n$rest;" \
        > "$output/shards/${shard}_URL.conf"
done 3> "$output/main/shards.conf" 4> "$output/ranges"

check_ranges < "$output/ranges"
rm "$output/ranges"
