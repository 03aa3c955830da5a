# Every target does its own set-up; `make` alone lists them.

PYTHON_BIN := .venv/bin/python
ARGS ?=
RABBITMQ ?=
# A broker that was asked for by version is a private one, whatever the shell names.
ON_BROKER := $(if $(RABBITMQ),env -u ESB_AMQP_URL -u ESB_AMQP_MANAGEMENT_URL ESB_TEST_RABBITMQ=$(RABBITMQ))
SOURCES := schemas bus adapters transformers tests

.DEFAULT_GOAL := help
.PHONY: help setup demo test conformance chaos cluster bench lint format lock audit image-rehearsal clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

setup: ## virtual environment with the locked dependencies
	@deploy/setup.sh

demo: setup ## the company of three legal entities on stand-ins; ARGS="--keep" leaves it running
	@.venv/bin/esb demo $(ARGS)

test: setup lint ## all checks and tests, on a real RabbitMQ and Redis; RABBITMQ=4 takes that one, ARGS="-k word" picks some
	@$(ON_BROKER) $(PYTHON_BIN) -m pytest --numprocesses 2 --dist loadgroup --cov --cov-report=term $(ARGS)

conformance: setup ## data of real systems: REFERENCE=<folder>; real clients: CLIENTS=1
	@ESB_REFERENCE="$(REFERENCE)" ESB_CLIENTS="$(CLIENTS)" $(PYTHON_BIN) -m pytest tests/conformance -rs $(ARGS)

chaos: setup ## attack the promises; SEED=7 repeats a run, EVENTS=1000 orders, MINUTES=… of blows
	@$(PYTHON_BIN) tests/chaos/main.py $(if $(SEED),--seed $(SEED)) $(if $(EVENTS),--events $(EVENTS)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

cluster: setup ## three nodes lost, parted, frozen and restarted under load; RABBITMQ=4 takes that one
	@$(ON_BROKER) ESB_LONG=1 $(PYTHON_BIN) -m pytest tests/cluster -rs $(ARGS)

bench: setup ## speed and memory; writes .run/bench.json
	@$(PYTHON_BIN) tests/bench/main.py $(ARGS)

lint: setup ## format, lint, types and layers
	@.venv/bin/ruff format --check --quiet $(SOURCES)
	@.venv/bin/ruff check --quiet $(SOURCES)
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

format: setup ## let ruff repair what it can
	@.venv/bin/ruff check --quiet --fix $(SOURCES); .venv/bin/ruff format --quiet $(SOURCES)

lock: ## choose the versions of the dependencies anew
	@deploy/lock.sh

audit: setup ## known vulnerabilities of the locked packages, and bandit; needs the network
	@deploy/audit.sh

image-rehearsal: ## the build steps of deploy/Dockerfile, without an engine
	@deploy/rehearse-image.sh

clean: ## stop private servers of this checkout and remove .venv and .run
	@deploy/clean.sh
