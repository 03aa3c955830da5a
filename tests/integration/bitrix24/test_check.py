from esb_adapters.bitrix24.main import check

ENDPOINT = "bitrix24.portal"


async def test_portal_that_fits_its_landscape_has_no_problems(portal):
    assert await check(ENDPOINT, portal.settings, portal.client) == []


async def test_every_difference_is_named_with_what_to_do(open_portal):
    settings = {
        "sellers": {"44": "romashka-retail", "99": "romashka-opt"},
        "fields": {"number": "UF_CRM_NOT_THERE", "paid": "UF_CRM_ESB_STATUS"},
        "stages": ["C5:NEVER"],
    }
    async with open_portal(**settings) as portal:
        problems = "\n".join(await check(ENDPOINT, portal.settings, portal.client))

    assert "UF_CRM_SELLER has no item 99" in problems
    assert "nobody mapped 45" in problems
    assert "no field UF_CRM_NOT_THERE (number): create it with type string" in problems
    assert "UF_CRM_ESB_STATUS (paid) has type string; it has to be money" in problems
    assert "no funnel has the stage 'C5:NEVER'" in problems


async def test_portal_with_another_secret_is_one_clear_line(portal):
    portal.client._base = portal.client._base.replace("standin0secret0code", "reissued")

    (problem,) = await check(ENDPOINT, portal.settings, portal.client)

    assert "portal_unauthorised" in problem
    assert "reissued" not in problem
