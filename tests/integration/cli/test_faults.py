"""What a new user does wrong, and what it is answered: a line, a status, never a traceback."""

import socket

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOBODY = "amqp://guest:s3cret@127.0.0.1:1/"


@pytest.mark.parametrize("command", [("run",), ("dead", "list")], ids=lambda one: one[0])
async def test_missing_address_of_the_broker_is_wrong_usage(company, esb, bare, command):
    said = await esb(*command, env={**bare, "ESB_LANDSCAPE": company.env["ESB_LANDSCAPE"]})

    assert (said.status, said.out, said.err) == (2, "", "ESB_AMQP_URL is not set\n")


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("ESB_LANDSCAPE", "/nowhere.toml", "there is no landscape file /nowhere.toml"),
        ("ESB_AMQP_URL", "localhost:5672", "ESB_AMQP_URL does not begin with amqp:// or amqps://"),
        ("ESB_REDIS_URL", "", "ESB_REDIS_URL does not begin with redis://"),
        ("ESB_HTTP_PORT", "99999", "ESB_HTTP_PORT: "),
    ],
)
async def test_wrong_setting_is_named(company, setting, value, expected):
    said = await company.esb("run", **{setting: value})

    assert said.status == 2
    assert expected in said.err


@pytest.mark.parametrize("command", [("run",), ("trace", "1"), ("topology", "declare")], ids=lambda one: one[0])
async def test_broker_that_does_not_answer_is_told_without_its_password(company, command):
    said = await company.esb(*command, ESB_AMQP_URL=NOBODY)

    assert said.status == 1
    assert "broker_unavailable" in said.err
    assert "s3cret" not in said.err


async def test_port_that_is_taken_is_named_with_the_setting(company):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        said = await company.esb("run", ESB_HTTP_HOST="127.0.0.1", ESB_HTTP_PORT=port)

    assert said.status == 1
    assert f"port {port} of 127.0.0.1 is taken" in said.err


async def test_landscape_with_faults_is_answered_with_all_of_them(company, tmp_path):
    broken = tmp_path / "landscape.toml"
    text = company.running.landscape.read_text("utf-8")
    broken.write_text(text.replace("7701234560", "7701234561").replace('"ut-11.5"', '"ut-12"'), "utf-8")

    said = await company.esb("check", "--offline", "--landscape", str(broken))

    assert said.status == 1
    assert "inn" in said.err
    assert "ut-12" in said.err


async def test_check_names_a_system_that_is_down_and_goes_on_with_the_others(company):
    await company.control.break_("onec.buh", "down")

    said = await company.esb("check", "--json")
    await company.control.mend("onec.buh")

    problems = {row["part"]: row["problem"] for row in said.rows}
    assert said.status == 1
    assert "base_down" in problems["onec.buh"]
    assert "base_down" not in problems.get("onec.trade", "")


async def test_check_names_wrong_and_missing_secrets(company, tmp_path):
    for secret in (company.running.directory / "secrets").iterdir():
        (tmp_path / secret.name).write_text(secret.read_text("utf-8"), "utf-8")
    (tmp_path / "onec_trade").write_text("nobody:s3cret", "utf-8")
    (tmp_path / "bitrix24_portal").unlink()

    said = await company.esb("check", "--json", ESB_SECRETS_DIR=str(tmp_path))

    problems = {(row["part"], row["problem"].split(":")[0]) for row in said.rows}
    assert {("onec.trade", "unauthorised"), ("bitrix24.portal", "secret_missing")} <= problems
    assert "s3cret" not in said.out


async def test_check_names_a_deal_field_the_portal_does_not_have(company, tmp_path):
    changed = tmp_path / "landscape.toml"
    text = company.running.landscape.read_text("utf-8")
    changed.write_text(text.replace("invoice = true", 'invoice = true\nfields = { paid = "UF_CRM_NOPE" }'), "utf-8")

    said = await company.esb("check", "--landscape", str(changed))

    assert said.status == 1
    assert "UF_CRM_NOPE" in said.out


async def test_topology_is_shown_without_a_broker_and_declared_twice(company):
    shown = await company.esb("topology", "show", ESB_AMQP_URL=NOBODY)
    declared = await company.esb("topology", "declare")

    assert max(map(len, shown.out.splitlines())) <= 80
    assert {"out.onec.trade", "out.onec.trade.dead", "esb.log.shared"} <= set(shown.out.split())
    assert (declared.status, declared.out) == (0, "")
    assert "queues and streams exist" in declared.err


async def test_schemas_are_written_where_asked(esb, bare, tmp_path):
    said = await esb("schemas", "export", str(tmp_path / "json"), env=bare)

    assert said.status == 0
    assert (tmp_path / "json" / "order.placed.v1.json").exists()


async def test_place_that_cannot_be_written_to_is_named(esb, bare, tmp_path):
    (tmp_path / "file").write_text("", "utf-8")

    said = await esb("schemas", "export", str(tmp_path / "file" / "json"), env=bare)

    assert said.status == 1
    assert "cannot write to" in said.err
