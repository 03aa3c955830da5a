#!/bin/sh
# Known vulnerabilities of the locked packages (pip-audit asks the advisory service) and bandit over our own code.
# Not part of `make test`: it needs the network, and its answer changes without a change of ours.
set -eu
cd "$(dirname "$0")/.."

tool=.run/audit-tool
[ -x "$tool/bin/pip-audit" ] || { python3 -m venv "$tool" && "$tool/bin/python" -m pip install --quiet pip-audit bandit; }

# B101: asserts say what the type checker cannot know. B311: jitter and demo orders are no secrets.
"$tool/bin/bandit" --quiet --recursive schemas bus adapters transformers --skip B101,B311 --severity-level medium
"$tool/bin/pip-audit" --requirement requirements.lock --require-hashes --disable-pip "$@"
