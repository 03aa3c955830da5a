"""Addresses, credentials, encodings, limits and batches of the portal."""

import pytest


async def test_method_names_are_matched_in_any_case_and_with_endings(portal):
    answers = [await portal.call(name) for name in ("profile", "Profile", "PROFILE.json", "profile/")]

    assert [answer["ID"] for answer in answers] == ["1"] * 4


async def test_an_answer_carries_the_time_block_and_is_encoded_the_php_way(portal):
    response = await portal.raw("profile")

    assert set(response.json()["time"]) >= {"start", "finish", "duration", "processing", "date_start", "date_finish"}
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert b"\\u0412" in response.content


async def test_form_and_json_bodies_mean_the_same(portal):
    number = await portal.call("crm.deal.add", fields={"TITLE": "A"})
    form = {"FIELDS[TITLE]": "A", "FIELDS[ORIGIN_ID]": "7", "select[]": "ID"}

    response = await portal.http.post("crm.deal.add", data=form)

    deals = await portal.call("crm.deal.list", filter={"TITLE": "a"}, select=["ID", "ORIGIN_ID"])
    assert response.json()["result"] == number + 1
    assert [deal["ORIGIN_ID"] for deal in deals] == [None, "7"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/rest/1/wrong/profile", 401, "INVALID_CREDENTIALS"),
        ("/rest/2/standin0secret0code/profile", 401, "INVALID_CREDENTIALS"),
        ("/rest/profile", 401, "NO_AUTH_FOUND"),
        ("/rest/1/standin0secret0code/crm.nothing.list", 404, "ERROR_METHOD_NOT_FOUND"),
        ("/rest/1/standin0secret0code/event.bind", 403, "WRONG_AUTH_TYPE"),
    ],
)
async def test_what_is_not_allowed_is_refused_with_the_portals_code(portal, path, status, code):
    response = await portal.http.get(portal.url.partition("/rest")[0] + path)

    assert (response.status_code, response.json()["error"]) == (status, code)


async def test_a_missing_scope_is_named(open_portal):
    portal = await open_portal(scopes=["crm"])

    refusal = await portal.refused("catalog.product.get", id=1001)

    assert refusal == (403, "insufficient_scope")


async def test_a_full_bucket_refuses_with_503_and_drains(open_portal):
    portal = await open_portal(capacity=3, drain=1000)
    slow = await open_portal(capacity=3, drain=0.001)

    drained = [(await portal.raw("profile")).status_code for _ in range(6)]
    full = [(await slow.raw("profile")).status_code for _ in range(5)]

    assert drained == [200] * 6
    assert full == [200, 200, 200, 503, 503]
    assert (await slow.raw("profile")).json()["error"] == "QUERY_LIMIT_EXCEEDED"


async def test_a_batch_uses_earlier_results_and_keeps_errors_inside(portal):
    deal = await portal.deal()

    found = await portal.call(
        "batch",
        cmd={
            "deal": f"crm.deal.get?id={deal}",
            "buyer": "crm.company.get?id=$result[deal][COMPANY_ID]",
            "encoded": "crm.company.get?id=%24result%5Bdeal%5D%5BCOMPANY_ID%5D",
            "none": "crm.company.get?id=$result[deal][NOTHING]",
            "list": "crm.deal.list?filter[%3EID]=0&select[0]=ID&order[ID]=ASC",
        },
    )

    assert found["result"]["buyer"]["TITLE"] == "Уральские сады ООО"
    assert found["result"]["encoded"] == found["result"]["buyer"]
    assert found["result"]["list"] == [{"ID": str(deal)}]
    assert found["result_total"] == {"list": 1}
    assert found["result_error"]["none"]["error_description"] == "ID is not defined or invalid."
    assert found["result_next"] == []


async def test_numeric_batch_keys_become_a_list(portal):
    found = await portal.call("batch", cmd=["profile", "scope"])

    assert isinstance(found["result"], list)
    assert found["result_error"] == []


async def test_halt_stops_a_batch_and_undoes_nothing(portal):
    found = await portal.call("batch", halt=1, cmd={"a": "crm.deal.add?fields[TITLE]=A", "b": "nope", "c": "profile"})

    assert list(found["result"]) == ["a"]
    assert list(found["result_error"]) == ["b"]
    assert (await portal.call("crm.deal.get", id=found["result"]["a"]))["TITLE"] == "A"


async def test_the_fifty_first_command_is_refused(portal):
    found = await portal.call("batch", cmd={f"c{number}": "profile" for number in range(52)})

    assert len(found["result"]) == 50
    assert {entry["error"] for entry in found["result_error"].values()} == {"ERROR_BATCH_LENGTH_EXCEEDED"}
