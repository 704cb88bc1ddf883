#!/bin/bash
#
# Whether nginx answers: with what the image has anyway.

set -eu

exec 3<> "/dev/tcp/127.0.0.1/${NGINX_PORT:-8000}"
printf 'GET /health HTTP/1.0\r\n\r\n' >&3
grep -qF '{"status":"ok"}' <&3
