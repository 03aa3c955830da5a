from pathlib import Path

import pytest

from esb_standins.nodes.errors import NodesUnavailable
from esb_standins.nodes.external import management_url_for, with_vhost
from esb_standins.nodes.packages import binaries, search
from esb_standins.nodes.plugins import needed_plugins
from esb_standins.nodes.ports import free_ports
from esb_standins.nodes.private import cache_of
from esb_standins.nodes.rabbitmq import Identity, RabbitAddress, configuration, erlang_arguments, rabbitmq_plan

ADDRESS = RabbitAddress(1, 2, 3, 4, user="esb", password="not-a-secret")


@pytest.mark.parametrize(
    ("amqp", "management"),
    [
        ("amqp://u:p@mq.example/prod", "http://u:p@mq.example:15672"),
        ("amqps://u:p@mq.example:5671/", "https://u:p@mq.example:15671"),
        ("amqp://localhost", "http://guest:guest@localhost:15672"),
    ],
)
def test_management_address_is_derived_from_the_broker(amqp: str, management: str):
    assert management_url_for(amqp) == management


def test_virtual_host_replaces_the_one_of_the_url():
    assert with_vhost("amqp://u:p@mq.example:5672/prod", "a/b") == "amqp://u:p@mq.example:5672/a%2Fb"


def test_plugins_are_the_enabled_ones_with_what_they_rest_on_and_every_library():
    dependencies = {
        "rabbit": ["ra"],
        "ra": [],
        "rabbitmq_prelaunch": [],
        "rabbitmq_management": ["rabbit", "rabbitmq_web_dispatch", "kernel"],
        "rabbitmq_web_dispatch": [],
        "rabbitmq_stream": ["rabbit"],
        "rabbitmq_mqtt": ["rabbit"],
    }

    assert needed_plugins(dependencies) == set(dependencies) - {"rabbitmq_mqtt"}


def test_every_listener_is_bound_to_loopback():
    text = configuration(ADDRESS)

    assert "listeners.tcp.1 = 127.0.0.1:1\n" in text
    assert "management.tcp.ip = 127.0.0.1\n" in text
    assert "stream.listeners.tcp.1 = 127.0.0.1:3\n" in text


def test_node_needs_no_epmd():
    arguments = " ".join(erlang_arguments(ADDRESS, Path("/run/x"), Identity()))

    assert "-start_epmd false -erl_epmd_port 4" in arguments
    assert "inet_dist_use_interface {127,0,0,1}" in arguments


def test_programs_may_come_from_two_places(tmp_path: Path):
    system, unpacked = tmp_path / "system", tmp_path / "unpacked"
    _make(system / "usr/bin/redis-server")
    _make(unpacked / "usr/lib/erlang/erts-13.1.5/bin/erlexec")
    _make(unpacked / "usr/lib/rabbitmq/lib/rabbitmq_server-3.9.1/sbin/rabbitmq-server")
    _make(unpacked / "usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin/rabbitmq-server")

    found = search([unpacked, system], "")

    assert found.rabbitmq_home.name == "rabbitmq_server-3.10.8"
    assert found.redis_server == system / "usr/bin/redis-server"


def test_path_with_spaces_is_refused_in_plain_words(tmp_path: Path):
    _make(tmp_path / "usr/lib/erlang/erts-13/bin/erlexec")
    _make(tmp_path / "usr/lib/rabbitmq/lib/rabbitmq_server-4.0.5/sbin/rabbitmq-server")
    _make(tmp_path / "usr/bin/redis-server")
    found = search([tmp_path], "")

    with pytest.raises(NodesUnavailable, match="path with spaces"):
        rabbitmq_plan(Path("/home/a b/.run/x"), found)


def test_machine_without_apt_is_told_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("esb_standins.nodes.packages._SYSTEM", tmp_path / "empty")

    with pytest.raises(NodesUnavailable, match=r"no apt-get; name running servers in ESB_AMQP_URL"):
        binaries(tmp_path)


def test_packages_are_kept_for_the_whole_checkout():
    assert cache_of(Path("/src/.run/nodes/demo")) == Path("/src/.run")
    assert cache_of(Path("/elsewhere/demo")) == Path("/elsewhere/demo")


def test_ports_of_one_node_differ():
    assert len(set(free_ports(50))) == 50


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
