#!/bin/sh
# Writes the lock files anew from pyproject.toml: requirements.lock for development, deploy/requirements.lock for the
# image. Names, versions and hashes only: where packages come from is the business of whoever installs them.
set -eu
cd "$(dirname "$0")/.."

tool=.run/lock-tool
[ -x "$tool/bin/uv" ] || { python3 -m venv "$tool" && "$tool/bin/python" -m pip install --quiet uv; }

build_requirements=$(mktemp)
trap 'rm -f "$build_requirements"' EXIT
python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
    >"$build_requirements"

# The optional Kafka part stays out: its package has no binary for every machine, and nothing here needs it.
compile() {
    "$tool/bin/uv" pip compile pyproject.toml "$build_requirements" --universal --python-version 3.11 \
        --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet "$@" >/dev/null
}
compile --extra dev --output-file requirements.lock
compile --constraint requirements.lock --output-file deploy/requirements.lock
