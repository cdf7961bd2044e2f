#!/bin/sh
# Starts the broker in its container. Passwords come as text in a secret and are hashed into a file in memory.
set -eu
umask 077
cp /run/secrets/mosquitto_users /tmp/users
mosquitto_passwd -U /tmp/users
exec mosquitto -c /mosquitto/config/mosquitto.conf
