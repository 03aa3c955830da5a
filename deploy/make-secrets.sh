#!/bin/sh
# Makes the passwords of docker-compose.yml, once, in deploy/secrets: nothing has a default password.
# The folder is closed to others; the files in it are readable, because the containers read them under their own users.
set -eu
cd "$(dirname "$0")"
umask 022
mkdir -p secrets/endpoints
chmod 700 secrets
cd secrets

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

if [ -e rabbitmq_account.conf ]; then
    echo "deploy/secrets is there already; nothing changed" >&2
    exit 0
fi
rabbitmq=$(random)
redis=$(random)
printf '%s' "redis://:$redis@redis:6379/0" >redis_url
printf '%s' "amqp://esb:$rabbitmq@rabbitmq:5672/%2F" >amqp_url
printf '%s' "http://esb:$rabbitmq@rabbitmq:15672" >management_url
printf 'requirepass %s\n' "$redis" >redis_account.conf
printf 'default_user = esb\ndefault_pass = %s\n' "$rabbitmq" >rabbitmq_account.conf
echo "deploy/secrets is made; put the secrets that your landscape names into deploy/secrets/endpoints" >&2
