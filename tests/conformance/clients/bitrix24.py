"""Works with a portal through fast-bitrix24; run by its own interpreter: bitrix24.py <webhook>."""

import asyncio
import json
import sys

from fast_bitrix24 import BitrixAsync


async def work(webhook):
    portal = BitrixAsync(webhook, verbose=False, ssl=False)
    await portal.call(
        "crm.deal.add", [{"fields": {"TITLE": f"Сделка {number}", "STAGE_ID": "NEW"}} for number in range(60)]
    )
    deals = await portal.get_all("crm.deal.list", {"select": ["ID", "TITLE"]})
    first = deals[0]["ID"]
    await portal.call("crm.deal.update", {"ID": first, "fields": {"TITLE": "Другая"}})
    by_id = await portal.get_by_ID("crm.deal.get", [deal["ID"] for deal in deals[:3]])
    items = await portal.get_all("crm.item.list", {"entityTypeId": 2, "select": ["id", "title"]})
    batch = await portal.call_batch(
        {
            "halt": 0,
            "cmd": {
                "deal": f"crm.deal.get?ID={first}",
                "rows": "crm.deal.productrows.get?id=$result[deal][ID]",
            },
        }
    )
    return {
        "deals": len({deal["ID"] for deal in deals}),
        "titles": [deal["TITLE"] for deal in by_id.values()],
        "items": len({item["id"] for item in items}),
        "batch": [batch["deal"]["TITLE"], batch["rows"]],
    }


print(json.dumps(asyncio.run(work(sys.argv[1]))))  # noqa: T201  its answer
