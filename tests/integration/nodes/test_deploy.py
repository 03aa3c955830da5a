"""What lies in deploy/ and docker-compose.yml, as far as it can be tried without an engine."""

import dataclasses
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from esb_standins.nodes.apt import fetch, is_complete
from esb_standins.nodes.claim import Claim
from esb_standins.nodes.errors import NodesUnavailable
from esb_standins.nodes.packages import Binaries
from esb_standins.nodes.rabbitmq import rabbitmq_plan
from esb_standins.nodes.redis import redis_plan
from esb_standins.nodes.server import PrivateServer

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def compose() -> tuple[list[str], dict[str, str]]:
    """The command docker-compose with its environment: the installed one, or the distribution's, unpacked."""
    installed = shutil.which("docker-compose")
    if installed:
        return [installed], {}
    unpacked = ROOT / ".run" / "compose"
    try:
        if not is_complete(unpacked):
            fetch(["docker-compose"], unpacked)
    except NodesUnavailable as error:
        pytest.skip(f"no docker-compose to ask: {error}")
    return [str(unpacked / "usr/bin/docker-compose")], {
        "PYTHONPATH": str(unpacked / "usr/lib/python3/dist-packages"),
        "PATH": "/usr/bin:/bin",
    }


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The checkout as far as compose reads it, so that secrets are made in the copy."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    return tmp_path


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(  # noqa: S603 - scripts of this project
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("profile", [[], ["--profile", "standins"]], ids=["bus", "with stand-ins"])
def test_compose_accepts_the_file(copy: Path, compose: tuple[list[str], dict[str, str]], profile: list[str]):
    command, environment = compose

    names = run(*command, *profile, "config", "--services", cwd=copy, **environment).split()

    # Compose 1.29 lists the services of all profiles either way.
    assert {"rabbitmq", "redis", "bus", *(["standins"] if profile else [])} <= set(names)


def test_every_file_that_compose_mounts_exists_or_is_made(copy: Path):
    run("deploy/make-rehearsal.sh", cwd=copy)

    named = set(re.findall(r"\./deploy/[\w./-]+", COMPOSE))

    assert [name for name in sorted(named) if not (copy / name).exists()] == []


def test_secrets_are_random_and_their_folder_is_closed(copy: Path, tmp_path_factory: pytest.TempPathFactory):
    other = tmp_path_factory.mktemp("other") / "deploy"
    shutil.copytree(copy / "deploy", other)

    run("deploy/make-secrets.sh", cwd=copy)
    run("./make-secrets.sh", cwd=other)

    secrets = copy / "deploy/secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert (secrets / "amqp_url").read_bytes() != (other / "secrets/amqp_url").read_bytes()


def test_secrets_once_made_are_kept(copy: Path):
    run("deploy/make-secrets.sh", cwd=copy)
    first = (copy / "deploy/secrets/amqp_url").read_bytes()

    run("deploy/make-secrets.sh", cwd=copy)

    assert (copy / "deploy/secrets/amqp_url").read_bytes() == first


def test_compose_file_holds_no_password():
    assert not re.search(r"(?i)(password|pass|secret_key)\s*[:=]\s*\S", COMPOSE)
    assert "guest" not in COMPOSE


def test_entry_point_reads_secrets_from_files(tmp_path: Path):
    secret = tmp_path / "amqp_url"
    secret.write_text("amqp://u:p@h/", encoding="utf-8")

    shown = run(
        str(ROOT / "deploy/entrypoint.sh"), "printenv", "ESB_AMQP_URL", cwd=tmp_path, ESB_AMQP_URL_FILE=str(secret)
    )

    assert shown == "amqp://u:p@h/\n"


async def test_rabbitmq_takes_the_settings_of_the_image(programs: Binaries, claimed: Claim):
    plan = rabbitmq_plan(claimed.directory / "rabbitmq", programs)
    shipped = (ROOT / "deploy/rabbitmq/rabbitmq.conf").read_text(encoding="utf-8")
    ours = plan.files["rabbitmq.conf"]
    kept = [
        line for line in shipped.splitlines() if not line.startswith(("listeners", "management", "disk", "vm", "log"))
    ]
    files = {**plan.files, "rabbitmq.conf": "\n".join([*kept, ours])}
    server = PrivateServer(dataclasses.replace(plan, files=files), lock=claimed.descriptor)

    await server.start()

    assert "consumer_timeout" in "".join(kept)
    await server.discard()


async def test_redis_takes_the_settings_of_the_image(programs: Binaries, claimed: Claim):
    plan = redis_plan(claimed.directory / "redis", programs)
    shipped = (ROOT / "deploy/redis/redis.conf").read_text(encoding="utf-8")
    kept = [line for line in shipped.splitlines() if not line.startswith(("include", "bind"))]
    files = {"redis.conf": "\n".join([*kept, plan.files["redis.conf"]])}
    server = PrivateServer(dataclasses.replace(plan, files=files), lock=claimed.descriptor)

    await server.start()

    await server.discard()


def test_lock_files_name_no_address_and_agree():
    locks = [(ROOT / name).read_text(encoding="utf-8") for name in ("requirements.lock", "deploy/requirements.lock")]
    developers, image = (
        {tuple(pin.split("==")) for pin in re.findall(r"^\S+==\S+", lock, re.MULTILINE)} for lock in locks
    )

    assert not any("://" in lock or "--index" in lock or "--find-links" in lock for lock in locks)
    assert image <= developers
