"""The three-entity company on this machine: what its stand-ins serve, the landscape of its bus, its secrets.

Plain texts from addresses and passwords; `stage` writes them to files and starts the processes.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Final
from urllib.parse import urlsplit

SHOP: Final = "website.shop"
PORTAL: Final = "bitrix24.portal"
RETAIL: Final = "onec.retail"
TRADE: Final = "onec.trade"
BUH: Final = "onec.buh"
ENDPOINTS: Final = (RETAIL, TRADE, BUH, PORTAL, SHOP)

ORDER_BASE: Final = {"romashka-retail": RETAIL, "romashka-opt": TRADE, "romashka-service": TRADE}
"""Where the landscape below sends the orders of each legal entity."""
INVOICE_BASE: Final = BUH

ORDER_SETS: Final = {RETAIL: "Document_ЗаказПокупателя", TRADE: "Document_ЗаказКлиента"}
INVOICE_SET: Final = "Document_СчетНаОплатуПокупателю"

USER: Final = "Шина"
DEAL_EVENTS: Final = ("ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMDEALDELETE")
SHOP_TOPICS: Final = ("order.created", "order.updated", "order.deleted", "order.restored")


def _password() -> str:
    return secrets.token_hex(12)


@dataclass(frozen=True)
class Passwords:
    """Made anew for every run: no default that could be left somewhere."""

    bases: Mapping[str, str] = field(default_factory=lambda: {name: _password() for name in (RETAIL, TRADE, BUH)})
    portal_code: str = field(default_factory=_password)
    portal_token: str = field(default_factory=_password)
    shop_key: str = field(default_factory=lambda: f"ck_{_password()}")
    shop_secret: str = field(default_factory=lambda: f"cs_{_password()}")
    webhook: str = field(default_factory=_password)

    def files(self) -> dict[str, str]:
        """The secrets the landscape names, by file name."""
        return {
            "onec_retail": f"{USER}:{self.bases[RETAIL]}",
            "onec_trade": f"{USER}:{self.bases[TRADE]}",
            "onec_buh": f"{USER}:{self.bases[BUH]}",
            "bitrix24_portal": f"1/{self.portal_code}",
            "bitrix24_portal_token": self.portal_token,
            "shop_api": f"{self.shop_key}:{self.shop_secret}",
            "shop_webhook": self.webhook,
        }


def standins_file(state_dir: str, passwords: Passwords) -> str:
    """The configuration of the stand-ins, see `esb_standins.config`."""
    return _STANDINS.substitute(
        state_dir=state_dir,
        user=USER,
        retail=passwords.bases[RETAIL],
        trade=passwords.bases[TRADE],
        buh=passwords.bases[BUH],
        code=passwords.portal_code,
        key=passwords.shop_key,
        secret=passwords.shop_secret,
    )


def landscape_file(addresses: Mapping[str, str], poll_s: float) -> str:
    """The landscape for stand-ins at these addresses (as they print them)."""
    return _LANDSCAPE.substitute(
        retail=addresses[RETAIL],
        trade=addresses[TRADE],
        buh=addresses[BUH],
        portal=_root(addresses[PORTAL]) + "rest/",
        shop=_root(addresses[SHOP]),
        poll_s=poll_s,
    )


def _root(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/"


_STANDINS: Final = Template("""\
control_port = 0
state_dir = "$state_dir"

[standins."onec.retail"]
profile = "retail-2"
user = "$user"
password = "$retail"

[standins."onec.trade"]
profile = "ut-11.5"
user = "$user"
password = "$trade"

[standins."onec.buh"]
profile = "bp-3.0"
user = "$user"
password = "$buh"

[standins."bitrix24.portal"]
code = "$code"
# A large portal: the two requests a second of a small one would make a rehearsal of minutes.
capacity = 250
drain = 50.0

[standins."website.shop"]
key = "$key"
secret = "$secret"
""")

_LANDSCAPE: Final = Template("""\
# The company of `esb demo`: short waits everywhere, so that a rehearsal takes seconds. Written anew by every run.

[legal_entities.romashka-retail]
name = "ООО «Ромашка Розница»"
inn = "7701234560"
kpp = "770101001"
ogrn = "1177746000123"

[legal_entities.romashka-opt]
name = "ООО «Ромашка Опт»"
inn = "7706123455"
kpp = "770601001"
ogrn = "1157746000345"

[legal_entities.romashka-service]
name = "ООО «Ромашка Сервис»"
inn = "5032123452"
kpp = "503201001"
ogrn = "1195040000561"

[onec.retail]
configuration = "retail-2"
url = "$retail"
secret = "onec_retail"
organisations = { romashka-retail = "7701234560" }
number_prefixes = { "website.shop" = "ИМ", "bitrix24.portal" = "ПБ" }
walk_in_counterparty = "Розничный покупатель"
warehouse = "Магазин на Садовой"
price_type = "Розничная"
exchange_plan = { name = "ОбменСШиной", node = "ESB" }
poll_s = $poll_s
settle_s = 2
timeout_s = 10
max_parallel = 4

[onec.trade]
configuration = "ut-11.5"
url = "$trade"
secret = "onec_trade"
organisations = { romashka-opt = "7706123455", romashka-service = "5032123452" }
number_prefixes = { "website.shop" = "ИМ", "bitrix24.portal" = "ПБ" }
walk_in_counterparty = "Розничный покупатель"
warehouse = "Основной склад"
price_type = "Оптовая"
exchange_plan = { name = "ОбменСШиной", node = "ESB" }
poll_s = $poll_s
settle_s = 2
timeout_s = 10
max_parallel = 4

[onec.buh]
configuration = "bp-3.0"
url = "$buh"
secret = "onec_buh"
organisations = { romashka-retail = "7701234560", romashka-opt = "7706123455", romashka-service = "5032123452" }
number_prefixes = { "website.shop" = "ИМ", "bitrix24.portal" = "ПБ" }
walk_in_counterparty = "Розничный покупатель"
warehouse = "Основной склад"
poll_s = $poll_s
settle_s = 2
timeout_s = 10
max_parallel = 4
[onec.buh.settlement_account]
romashka-retail = "40702810900000000011"
romashka-opt = "40702810200000000022"
romashka-service = "40702810500000000033"

[bitrix24.portal]
url = "$portal"
secret = "bitrix24_portal"
application_token = "bitrix24_portal_token"
seller_field = "UF_CRM_SELLER"
sellers = { "44" = "romashka-retail", "45" = "romashka-opt", "46" = "romashka-service" }
invoice = true
shops = { shop = "website.shop" }
poll_s = $poll_s
settle_s = 2
requests_per_s = 45
burst = 250
timeout_s = 10

[website.shop]
protocol = "woocommerce"
url = "$shop"
secret = "shop_api"
webhook_secret = "shop_webhook"
seller_meta = "_seller"
sellers = { romashka-retail = "romashka-retail", romashka-opt = "romashka-opt", romashka-service = "romashka-service" }
delivery_articles = { "Доставка курьером" = "RM-0501" }
tax_classes = { "" = "22", "reduced-rate" = "10", "zero-rate" = "0", "no-vat" = "none" }
invoice_methods = ["bacs"]
poll_s = $poll_s
timeout_s = 10

[[routes]]
event = ["order.placed", "order.changed", "order.cancelled"]
legal_entity = "romashka-retail"
to = ["onec.retail"]

[[routes]]
event = ["order.placed", "order.changed", "order.cancelled"]
legal_entity = ["romashka-opt", "romashka-service"]
to = ["onec.trade"]

[[routes]]
event = ["invoice.requested"]
to = ["onec.buh"]

[[routes]]
event = ["payment.received"]
to = ["onec.buh", "bitrix24.portal"]

[[routes]]
event = ["payment.refunded"]
to = ["bitrix24.portal"]

[limits]
retry_delays_s = [0.5, 1, 2, 2]
hold_s = 20
park_retry_s = 3
""")
