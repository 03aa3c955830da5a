#!/bin/sh
# Reads secrets that come as files: ESB_AMQP_URL_FILE=/run/secrets/amqp_url sets ESB_AMQP_URL, and so on.
set -eu

for name in ESB_AMQP_URL ESB_REDIS_URL ESB_AMQP_MANAGEMENT_URL; do
    eval "file=\${${name}_FILE:-}"
    [ -n "$file" ] || continue
    [ -r "$file" ] || { echo "esb: the secret file $file (${name}_FILE) cannot be read" >&2; exit 1; }
    export "$name=$(cat "$file")"
    unset "${name}_FILE"
done
exec "$@"
