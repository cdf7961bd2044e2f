#!/bin/sh
# Makes docker/local: the configuration to change, and passwords. What is there already is left as it is.
#
# The folder is for you alone (0700), its files can be read by all (0644): each container has a user of its own and
# sees the files that compose.yml hands to it, and nobody else on this machine gets past the folder.
set -eu
cd "$(dirname "$0")"
umask 022
mkdir -p local
chmod 0700 local

password() {
    head -c 18 /dev/urandom | base64 | tr '+/' '-_'
}

if [ ! -e local/camwatch.yml ]; then
    cp camwatch.yml local/camwatch.yml
    echo "docker/local/camwatch.yml: list your cameras here"
fi
if [ ! -e local/secrets.yaml ] && [ ! -e local/mosquitto_users ]; then
    for_camwatch=$(password)
    printf 'mqtt_password: "%s"\nfront_door: rtsp://user:password@192.168.1.20:554/stream2\n' "$for_camwatch" \
        > local/secrets.yaml
    printf 'camwatch:%s\nhomeassistant:%s\n' "$for_camwatch" "$(password)" > local/mosquitto_users
    echo "docker/local/secrets.yaml: write your camera's address here"
    echo "docker/local/mosquitto_users: Home Assistant logs in to the broker with the name and password of line 2"
fi
if [ ! -e local/http_token ]; then
    # Prometheus has it in a file of its own, camwatch among its secrets.
    token=$(sed -n 's/^http_token: *"*\([^" ]*\)"*.*/\1/p' local/secrets.yaml)
    if [ -z "$token" ]; then
        token=$(password)
        printf 'http_token: "%s"\n' "$token" >> local/secrets.yaml
    fi
    printf '%s' "$token" > local/http_token
    if ! grep -q '!secret http_token' local/camwatch.yml; then
        echo "docker/local/camwatch.yml: write under http: \`token: !secret http_token\`, as docker/camwatch.yml has it"
    fi
fi
if [ ! -e local/grafana_admin_password ]; then
    printf '%s' "$(password)" > local/grafana_admin_password
    echo "docker/local/grafana_admin_password: for the user admin at http://127.0.0.1:3000"
fi
