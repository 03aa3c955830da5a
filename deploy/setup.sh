#!/bin/sh
# Makes .venv with the locked dependencies and this project in it. Does nothing, quickly, when that is done already.
set -eu
cd "$(dirname "$0")/.."
root=$(pwd -P)

fail() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

find_python() {
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed: apt-get install python3 python3-venv"
}

# Debian and Ubuntu keep the part of Python that makes virtual environments in a package of its own.
provide_venv() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    command -v apt-get >/dev/null || fail "this Python has no ensurepip: install its venv part"
    [ "$(id -u)" -eq 0 ] || fail "python3-venv is missing: run 'sudo apt-get install $package' and try again"
    echo "setup: installing $package" >&2
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$package" >/dev/null ||
        fail "python3-venv is missing and apt-get could not install $package"
}

# What decides whether the environment fits: the lock, the build, the place (an editable install holds its path) and
# the interpreter.
fingerprint() {
    { cat requirements.lock pyproject.toml; echo "$root"; .venv/bin/python -c 'import sys; print(sys.version)'; } 2>&1 |
        sha256sum
}

fits() {
    [ -f .venv/setup.done ] && [ "$(cat .venv/setup.done)" = "$(fingerprint)" ]
}

mkdir -p .run
exec 9>.run/setup.lock
if command -v flock >/dev/null; then flock 9; fi
if fits; then exit 0; fi

python=$(find_python)
provide_venv
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    "$python" -m venv .venv
fi
echo "setup: installing the locked dependencies into .venv" >&2
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
.venv/bin/python -m pip install --quiet --require-hashes --only-binary :all: --requirement requirements.lock
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
fingerprint >.venv/setup.done
