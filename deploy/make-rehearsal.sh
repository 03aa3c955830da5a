#!/bin/sh
# Makes what `docker compose --profile standins up` needs: the stand-ins' configuration, the example landscape pointed
# at them, and the secrets it names. Everything lands in deploy/secrets, with new passwords.
set -eu
cd "$(dirname "$0")"
./make-secrets.sh
umask 022

random() {
    od -An -N12 -tx1 /dev/urandom | tr -d ' \n'
}

if [ -e secrets/standins.toml ]; then
    echo "deploy/secrets/standins.toml is there already; nothing changed" >&2
    exit 0
fi
retail=$(random) trade=$(random) buh=$(random) code=$(random) token=$(random) key=ck_$(random) secret=cs_$(random) hook=$(random)

cd secrets/endpoints
printf 'Шина:%s' "$retail" >onec_retail
printf 'Шина:%s' "$trade" >onec_trade
printf 'Шина:%s' "$buh" >onec_buh
printf '1/%s' "$code" >bitrix24_portal
printf '%s' "$token" >bitrix24_portal_token
printf '%s:%s' "$key" "$secret" >shop_api
printf '%s' "$hook" >shop_webhook
cd ..

sed -e 's#https://1c.example.test/retail/#http://standins:18101/retail/#' \
    -e 's#https://1c.example.test/trade/#http://standins:18102/trade/#' \
    -e 's#https://1c.example.test/buh/#http://standins:18103/buh/#' \
    -e 's#https://romashka.example.test/rest/#http://standins:18104/rest/#' \
    -e 's#https://shop.example.test/#http://standins:18105/#' \
    ../landscape.example.toml >landscape.toml

cat >standins.toml <<END
control_port = 18090
host = "0.0.0.0"
state_dir = "/var/lib/esb/standins"

[standins."onec.retail"]
profile = "retail-2"
port = 18101
user = "Шина"
password = "$retail"

[standins."onec.trade"]
profile = "ut-11.5"
port = 18102
user = "Шина"
password = "$trade"

[standins."onec.buh"]
profile = "bp-3.0"
port = 18103
user = "Шина"
password = "$buh"

[standins."bitrix24.portal"]
port = 18104
code = "$code"

[[standins."bitrix24.portal".handlers]]
url = "http://bus:8080/webhooks/bitrix24/portal"
token = "$token"
events = ["ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMDEALDELETE"]

[standins."website.shop"]
port = 18105
key = "$key"
secret = "$secret"
webhooks = [
    { topic = "order.created", delivery_url = "http://bus:8080/webhooks/website/shop", secret = "$hook" },
    { topic = "order.updated", delivery_url = "http://bus:8080/webhooks/website/shop", secret = "$hook" },
]
END
echo "rehearsal is prepared: ESB_LANDSCAPE_FILE=./deploy/secrets/landscape.toml docker compose --profile standins up" >&2
