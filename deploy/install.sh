#!/bin/sh
# The build steps of the image: `install.sh dependencies TARGET`, then `install.sh project TARGET`, from the source folder.
set -eu
target=$2
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_NO_CACHE_DIR=1

case $1 in
dependencies)
    python3 -m venv "$target"
    "$target/bin/python" -m pip install --quiet --require-hashes --only-binary :all: --requirement deploy/requirements.lock
    ;;
project)
    "$target/bin/python" -m pip install --quiet --no-deps --no-build-isolation .
    "$target/bin/python" -m pip uninstall --quiet --yes pip setuptools
    ;;
*)
    echo "install.sh dependencies|project TARGET" >&2
    exit 2
    ;;
esac
