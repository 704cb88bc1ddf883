#!/bin/bash
#
# Whether nginx answers: with what the image has anyway.

set -eu

listen=${NGINX_PORT:-8000}

case $listen in
    *:*) host=${listen%:*} ;;
    *)   host=127.0.0.1 ;;
esac

# Any address of the machine is the machine itself.
case $host in
    '*' | 0.0.0.0) host=127.0.0.1 ;;
    '[::]')        host=::1 ;;
    '['*)          host=${host//[][]/} ;;
esac

exec 3<> "/dev/tcp/$host/${listen##*:}"
printf 'GET /health HTTP/1.0\r\n\r\n' >&3
grep -qF '{"status":"ok"}' <&3
