#!/bin/sh
# Stops the private servers of this checkout and removes all that set-up, demo and tests have made.
set -eu
cd "$(dirname "$0")/.."

[ -d .run ] || mkdir .run
find .run -maxdepth 5 -name process.json | while read -r file; do
    .venv/bin/python -m esb_standins.nodes stop --run-dir "$(dirname "$(dirname "$file")")" ||
        echo "clean: servers recorded in $file could not be stopped" >&2
done
rm -rf .run .venv
