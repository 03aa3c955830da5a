"""Secrets come from files and variables by a name that leads nowhere else, and never show themselves."""

from urllib.parse import urlsplit, urlunsplit

import pytest
from typer.testing import CliRunner

from esb_bus.broker import Declarer
from esb_bus.errors import BrokerUnavailable
from esb_bus.landscape import LandscapeInvalid, parse_landscape
from esb_bus.settings import SecretMissing, Secrets, Settings
from esb_bus.wire import Link
from esb_cli.main import app

ENTITIES = {"romashka": {"name": "ООО «Ромашка»", "inn": "7701234560"}}


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "hook\n", "hook\x00", "..", "Hook", "a/b", "", "hook.txt"]
)
def test_a_secret_is_named_by_a_plain_word(name):
    site = {"protocol": "standard", "webhook_secret": name, "legal_entity": "romashka"}

    with pytest.raises(LandscapeInvalid, match="webhook_secret"):
        parse_landscape({"legal_entities": ENTITIES, "website": {"shop": site}})


def test_secrets_and_settings_do_not_show_their_values(tmp_path):
    (tmp_path / "hook").write_text("s3cr3t\n", encoding="utf-8")
    secrets = Secrets(tmp_path, {"ESB_SECRET_OTHER": "s3cr3t"})
    settings = Settings(amqp_url="amqp://u:s3cr3t@h/", redis_url="redis://:s3cr3t@h/")

    shown = f"{secrets!r} {secrets} {secrets.get('hook')!r} {secrets.get('other')} {settings!r} {settings}"

    assert "s3cr3t" not in shown
    assert secrets.get("hook").get_secret_value() == "s3cr3t"


def test_a_missing_secret_is_told_by_its_name(tmp_path):
    with pytest.raises(SecretMissing, match="ESB_SECRET_HOOK"):
        Secrets(tmp_path, {}).get("hook")


@pytest.mark.parametrize("fault", ["wrong-password", "nobody-listens", "no-such-name"])
async def test_a_failed_connection_is_told_without_the_account(servers, fault):
    parts = urlsplit(servers.amqp_url)
    hosts = {"wrong-password": f"{parts.hostname}:{parts.port}", "nobody-listens": "127.0.0.1:9"}
    url = urlunsplit(parts._replace(netloc=f"esb:s3cr3t@{hosts.get(fault, 'broker.invalid')}"))
    told = []

    for attempt in (lambda: Link.open(url, "test"), lambda: Declarer(url, []).declare_all()):
        with pytest.raises(BrokerUnavailable) as caught:
            await attempt()
        told.append(str(caught.value))

    assert "s3cr3t" not in "".join(told)


def test_a_fault_of_a_setting_does_not_repeat_an_address(tmp_path, monkeypatch):
    landscape = tmp_path / "landscape.toml"
    landscape.write_text('[legal_entities.romashka]\nname = "Р"\ninn = "7701234560"\n', encoding="utf-8")
    monkeypatch.setenv("ESB_AMQP_URL", "amqps://esb:s3cr3t@broker/?no_verify_ssl=1")
    monkeypatch.setenv("ESB_REDIS_URL", "http://esb:s3cr3t@redis/")

    ran = CliRunner().invoke(app, ["dead", "list", "--landscape", str(landscape)])

    assert ran.exit_code == 2
    assert "ESB_AMQP_URL" in ran.output
    assert "s3cr3t" not in ran.output
