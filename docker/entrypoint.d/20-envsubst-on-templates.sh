#!/bin/sh
#
# /etc/nginx/templates/PATH.template becomes /etc/nginx/conf.d/PATH, with
# variables of the environment, as in nginx's official image.
#
# Unlike there, only those are replaced by default that are meant for it, so
# that none takes the place of one of nginx's own: NGINX_ENVSUBST_FILTER is a
# pattern for others.  The URLs of shards, which may have passwords, never are.

set -eu

templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}

refuse() { # variable, its value, what it must be
    echo "$1 is \"$2\", which must be $3" >&2
    exit 1
}

names=$(awk 'BEGIN {
    filter = ENVIRON["NGINX_ENVSUBST_FILTER"]

    for (name in ENVIRON) {
        if (name ~ /^[A-Za-z_][A-Za-z0-9_]*$/ \
            && (name ~ /^(NGINX_|UNIQUE_RANDOM_|LOG_LEVEL$)/ \
                || filter != "" && name ~ filter) \
            && name !~ /^DB_SHARD_[0-9]+_URL$/)
        {
            printf "${%s} ", name
        }
    }
}')

[ -d "$templates" ] || exit 0

find "$templates" -follow -type f -name "*$suffix" | sort \
    | while read -r template; do
        path=${template#"$templates/"}
        rendered=$output/${path%"$suffix"}

        mkdir -p "$(dirname "$rendered")"
        envsubst "$names" < "$template" > "$rendered"
    done

# Without a *.conf nginx starts, too, but has no server: which is meant where
# an empty folder of templates is mounted, and neither of these is set.
if ! find "$output/" -maxdepth 1 -name '*.conf' | grep -q .; then
    [ -z "${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-}" ] \
        || refuse NGINX_ENVSUBST_TEMPLATE_SUFFIX "$suffix" \
            "what follows \".conf\" in the name of a template in $templates"

    [ -z "${NGINX_ENVSUBST_TEMPLATE_DIR:-}" ] \
        || refuse NGINX_ENVSUBST_TEMPLATE_DIR "$templates" \
            "a folder with a template such as default.conf$suffix"
fi
