"""`esb topology users` as an operator uses it."""

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from esb_cli.users import app

EXAMPLE = Path(__file__).parents[2] / "deploy" / "landscape.example.toml"


@pytest.fixture
def esb(servers, unique, tmp_path, monkeypatch):
    if servers.management_url is None:
        pytest.skip("the broker has no management plugin that we reach")
    for name, value in servers.environment().items():
        monkeypatch.setenv(name, value)
    landscape = tmp_path / "landscape.toml"

    def write(*subscribers):
        text = '[legal_entities.romashka]\nname = "ООО «Ромашка»"\ninn = "7701234560"\n'
        for name in subscribers:
            text += f'[subscribers.{unique}-{name}]\nlegal_entities = ["romashka"]\nevents = ["order.*"]\n'
        landscape.write_text(text, encoding="utf-8")

    def run(*arguments):
        return CliRunner().invoke(app, [*arguments, "--landscape", str(landscape)])

    write("a", "b")
    run.write = write
    run.passwords = tmp_path / "passwords"
    yield run
    for name in ("a", "b"):
        run("revoke", f"{unique}-{name}", "--yes")


def test_new_passwords_are_files_that_only_their_owner_reads(esb):
    applied = esb("apply", "--passwords", str(esb.passwords))

    assert applied.exit_code == 0, applied.output
    files = sorted(esb.passwords.iterdir())
    assert len(files) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert all(file.read_text("utf-8").strip() not in applied.output for file in files)


def test_a_second_run_hands_out_nothing_unless_asked(esb, unique):
    esb("apply", "--passwords", str(esb.passwords))
    before = {file.name: file.read_text("utf-8") for file in esb.passwords.iterdir()}

    esb("apply", "--passwords", str(esb.passwords), "--new-password", f"{unique}-a")

    after = {file.name: file.read_text("utf-8") for file in esb.passwords.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {f"sub.{unique}-a"}


def test_who_left_the_landscape_is_revoked_only_with_consent(esb, unique):
    esb("apply", "--passwords", str(esb.passwords))
    esb.write("a")

    refused = esb("apply", "--passwords", str(esb.passwords))
    agreed = esb("apply", "--passwords", str(esb.passwords), "--yes")

    assert refused.exit_code == 1
    assert f"sub.{unique}-b: revoked" in agreed.output


def test_rights_are_shown_without_a_broker(esb, unique):
    shown = esb("show", "--json")

    assert rf"^(?:sub\\.{unique}\\-a)$" in shown.output
