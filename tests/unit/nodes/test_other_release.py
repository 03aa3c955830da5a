"""RabbitMQ of a newer release: package lists derived from the machine's, programs called through their own loader."""

import os
import subprocess
from pathlib import Path

import pytest

from esb_standins.nodes.errors import NodesUnavailable
from esb_standins.nodes.foreign import adapt
from esb_standins.nodes.packages import of_major, search
from esb_standins.nodes.release import codename, in_lines, in_stanzas, options

STANZAS = """\
Types: deb
# the mirror next door
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://tools.example/apt
Suites: nodistro
Components: main
"""


def test_only_the_name_of_the_release_changes_and_other_archives_are_left_out():
    text = in_stanzas(STANZAS, "bookworm", "trixie")

    assert "Suites: trixie trixie-updates\n" in text
    assert "URIs: http://mirror.example/debian\n" in text
    assert "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg" in text
    assert "tools.example" not in text


def test_lines_of_the_old_form_are_understood_too():
    lines = (
        "# deb http://old.example bookworm main\n"
        "deb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian bookworm-security main contrib\n"
        "deb https://tools.example/apt cloud-sdk-bookworm main\n"
    )

    text = in_lines(lines, "bookworm", "trixie")

    assert text == "deb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian trixie-security main contrib\n"


def test_another_distribution_is_refused():
    with pytest.raises(NodesUnavailable, match="no Debian"):
        codename('ID=ubuntu\nVERSION_CODENAME="noble"\n')


def test_machine_without_a_mirror_is_refused(tmp_path: Path):
    etc = tmp_path / "etc"
    (etc / "apt").mkdir(parents=True)
    (etc / "os-release").write_text("ID=debian\nVERSION_CODENAME=bookworm\n", encoding="utf-8")

    with pytest.raises(NodesUnavailable, match="no mirror"):
        options("trixie", tmp_path / "lists", etc)


def test_apt_sees_the_derived_lists_alone(tmp_path: Path):
    etc = tmp_path / "etc"
    (etc / "apt/sources.list.d").mkdir(parents=True)
    (etc / "os-release").write_text("ID=debian\nVERSION_CODENAME=bookworm\n", encoding="utf-8")
    (etc / "apt/sources.list.d/debian.sources").write_text(STANZAS, encoding="utf-8")

    given = options("trixie", tmp_path / "lists", etc)

    assert [file.name for file in Path(given["Dir::Etc::sourceparts"]).iterdir()] == ["debian.sources"]
    assert given["Dir::Etc::sourcelist"] == os.devnull
    assert Path(given["Dir::State::status"]).read_bytes() == b""


def test_programs_are_called_through_the_loader_that_came_with_them(tmp_path: Path):
    """A shell stands for the loader; the program itself could not be run by this machine."""
    loader = tmp_path / "usr/lib/any-linux-gnu/ld-linux-any.so.2"
    program = tmp_path / "usr/lib/erlang/erts-15/bin/erlexec"
    for file, content in ((loader, b'#!/bin/sh\necho "$@"\n'), (program, b"\x7fELFnew")):
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        file.chmod(0o755)

    adapt(tmp_path)
    adapt(tmp_path)

    said = subprocess.run([program, "-x", "a b"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - written above
    assert said == f"--library-path {loader.parent} {program}.elf -x a b\n"
    assert program.with_name("erlexec.elf").read_bytes() == b"\x7fELFnew"


def test_version_that_nobody_carries_is_refused(tmp_path: Path):
    for name in (
        "usr/lib/erlang/erts-13/bin/erlexec",
        "usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin/rabbitmq-server",
        "usr/bin/redis-server",
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    found = search([tmp_path], "")

    with pytest.raises(NodesUnavailable, match=r"RabbitMQ 5 is asked for, this machine has rabbitmq_server-3\.10\.8"):
        of_major(5, found, tmp_path)
    assert of_major(3, found, tmp_path) == found
