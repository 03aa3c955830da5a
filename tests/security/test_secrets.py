"""Secrets come from files and variables by a name that leads nowhere else, and never show themselves."""

import pytest

from esb_bus.landscape import LandscapeInvalid, parse_landscape
from esb_bus.settings import SecretMissing, Secrets, Settings

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
