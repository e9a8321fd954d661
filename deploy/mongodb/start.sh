#!/usr/bin/env bash
# Entry point of the MongoDB container: writes the replica set's key file, then starts the image's own entry point.
# mongod refuses a key file that others can read, so it cannot simply be mounted.
set -euo pipefail
: "${MONGODB_REPLICA_KEY:?}"
install -d -m 0700 -o mongodb -g mongodb /run/chartvault
(umask 077 && printf '%s' "$MONGODB_REPLICA_KEY" > /run/chartvault/keyfile)
chown mongodb:mongodb /run/chartvault/keyfile
chmod 0400 /run/chartvault/keyfile
unset MONGODB_REPLICA_KEY
exec docker-entrypoint.sh "$@"
