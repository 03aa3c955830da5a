"""Works with a base through python-1c-odata; run by its own interpreter: onec.py <server> <publication>."""

import asyncio
import json
import sys

from python_1c_odata import Catalog, Document, EntityNotFound, F, Infobase, PostingMode


async def work(server, publication):
    async with Infobase(server, publication, "Шина", "секрет") as base:
        products, orders = Catalog(base, "Номенклатура"), Document(base, "ЗаказКлиента")
        page = await products.query(
            top=3,
            odata_filter=F("DeletionMark").eq(False) & F("IsFolder").eq(False),
            inlinecount=True,
        )
        product = page.value[0]
        articles = [row["Артикул"] async for row in products.iterate(page_size=7, odata_filter=F("IsFolder").eq(False))]
        same = await products.get(product["Ref_Key"])
        buyer = (await Catalog(base, "Контрагенты").query(top=1)).value[0]
        row = {"LineNumber": "1", "Номенклатура_Key": product["Ref_Key"], "Количество": 2, "Цена": 649.5, "Сумма": 1299}
        seller = (await Catalog(base, "Организации").query(top=1)).value[0]
        draft = {
            "Date": "2026-03-20T00:00:00",
            "Организация_Key": seller["Ref_Key"],
            "Контрагент_Key": buyer["Ref_Key"],
            "Партнер_Key": buyer["Партнер_Key"],
            "Товары": [row],
        }
        made = await orders.create(draft)
        await orders.edit(made["Ref_Key"], {"Комментарий": "от 'чужого' клиента"})
        found = await orders.query(odata_filter=F("Number") == made["Number"])
        await orders.post(made["Ref_Key"], PostingMode.POST)
        posted = await orders.get(made["Ref_Key"])
        await orders.unpost(made["Ref_Key"])
        unposted = await orders.get(made["Ref_Key"])
        return {
            "sets": await base.entity_sets(),
            "count": page.count,
            "articles": articles,
            "same": same["Description"] == product["Description"],
            "comment": found.value[0]["Комментарий"],
            "sum": made["Товары"][0]["Сумма"],
            "posted": [posted["Posted"], unposted["Posted"]],
            "missing": await missing(base),
        }


async def missing(base):
    try:
        await Catalog(base, "Номенклатура").get("41aa6331-954f-11e3-814b-005056c00008")
    except EntityNotFound as error:
        return error.status
    return None


print(json.dumps(asyncio.run(work(*sys.argv[1:]))))  # noqa: T201  its answer
