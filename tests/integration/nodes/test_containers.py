"""Containers, with a docker of our own that writes down what it is asked: the engine itself is not ours to test."""

from pathlib import Path

import pytest

from esb_standins.nodes.containers import Composition, ContainerServer, engine_answers, plan_containers
from esb_standins.nodes.errors import NodeFailed

DOCKER = """#!/bin/sh
echo "$*" >>"$0.log"
[ ! -e "$0.broken" ] || { echo 'no engine' >&2; exit 1; }
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.write_text(DOCKER, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def asked(docker: Path) -> list[str]:
    """What followed the file name in each call."""
    lines = (docker.parent / "docker.log").read_text(encoding="utf-8").splitlines()
    return [line.partition("compose.yml ")[2] for line in lines]


async def always(_: object) -> bool:
    return True


def test_engine_must_answer(docker: Path):
    assert engine_answers()

    docker.with_name("docker.broken").touch()

    assert not engine_answers()


def test_ports_are_published_on_loopback_and_leftovers_removed(docker: Path, tmp_path: Path):
    rabbitmq, redis = plan_containers(tmp_path)

    text = (tmp_path / "compose.yml").read_text(encoding="utf-8")
    assert f"127.0.0.1:{rabbitmq.address.amqp_port}:5672" in text
    assert f"127.0.0.1:{redis.address.port}:6379" in text
    assert asked(docker) == ["down --volumes --remove-orphans"]


async def test_verbs_reach_the_service(docker: Path, tmp_path: Path):
    server = ContainerServer(Composition(tmp_path), "redis", "address", always)

    await server.start()
    server.pause()
    server.resume()
    await server.kill()
    await server.revive()
    await server.restart()
    await server.discard()

    assert asked(docker) == [
        "up --detach redis",
        "pause redis",
        "unpause redis",
        "kill redis",
        "start redis",
        "restart redis",
        "rm --force --stop --volumes redis",
    ]


async def test_words_of_the_engine_are_passed_on(docker: Path, tmp_path: Path):
    docker.with_name("docker.broken").touch()

    with pytest.raises(NodeFailed, match="no engine"):
        await ContainerServer(Composition(tmp_path), "redis", "address", always).start()
