"""One 1C base as a stand-in: its state, its application, its faults, its people.

Actions (`POST /actions/<name>/<action>`): `add_payment {order, amount?, number?, date?, post?}`,
`create {set, fields}`, `edit {set, document, fields}`, `mark_deleted|post|unpost {set, document}`,
`add_node {code}`. `document` is a number or a reference.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from esb_standins.effects import FaultyApp, first_path_segment_after
from esb_standins.faults import FaultBox
from esb_standins.onec import changes
from esb_standins.onec.actions import People
from esb_standins.onec.app import OneCApp
from esb_standins.onec.errors import ODataError
from esb_standins.onec.options import BaseOptions
from esb_standins.onec.profile import load_profile
from esb_standins.onec.rules import NODE_CODE, PLAN
from esb_standins.onec.seed import ref_of, seed_of
from esb_standins.onec.service import Service
from esb_standins.onec.store import Store
from esb_standins.onec.wire import CANNED_FAULTS, ROOT
from esb_standins.server import Standin, UnknownAction
from esb_standins.storage import read_ledger, transaction

KIND: Final = "onec"


class OneCBase:
    """Serves one base; see `server.Standin` for what its methods promise."""

    kind = KIND

    def __init__(self, name: str, options: BaseOptions, state_dir: Path) -> None:
        self.name = name
        self.path = f"/{options.publication}"
        self.faults = FaultBox()
        self._options = options
        self._store = Store(state_dir / f"{name}.sqlite")
        self._service = Service(name, load_profile(options.profile), options, self._store, self.faults)
        self._people = People(name, self._service)
        inner = OneCApp(self._service, options)
        self.app = FaultyApp(inner, self.faults, first_path_segment_after(ROOT), CANNED_FAULTS)

    async def start(self, url: str) -> None:
        """Nothing to begin: a base only answers."""

    async def stop(self) -> None:
        await self.app.close()
        self._store.close()

    def ledger(self, after: int, limit: int) -> list[dict[str, Any]]:
        return read_ledger(self._store.db, after, limit)

    def objects(self, subject: str) -> list[dict[str, Any]]:
        if subject not in self._service.sets:
            raise KeyError(subject)
        return self._service.find(subject, None)

    async def seed(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Plant the company; answers with the references a landscape needs."""
        codes = tuple(body.get("entities", self._options.entities))
        planted = list(seed_of(self.name, self._options.profile, codes))
        added = [self._service.plant(item.set, ref_of(self.name, item.set, item.key), item.fields) for item in planted]
        organisations = [item for item in planted if item.set == "Catalog_Организации"]
        return {
            "added": sum(added),
            "organisations": {str(item.fields["ИНН"]): ref_of(self.name, item.set, item.key) for item in organisations},
            "exchange_plan": PLAN,
            "node": changes.node_ref(self.name, NODE_CODE),
        }

    async def act(self, action: str, body: Mapping[str, Any]) -> Any:
        actions: Mapping[str, Callable[..., Any]] = {
            "add_payment": self._people.add_payment,
            "create": self._people.create,
            "edit": self._people.edit,
            "mark_deleted": self._people.mark_deleted,
            "post": self._people.post,
            "unpost": self._people.unpost,
            "add_node": self._add_node,
        }
        if action not in actions:
            raise UnknownAction(action)
        try:
            return actions[action](**body)
        except ODataError as error:
            raise ValueError(str(error)) from error

    def _add_node(self, *, code: str) -> Mapping[str, str]:
        with transaction(self._store.db):
            return {"node": changes.add_node(self._store.db, self.name, code)}


def build(name: str, options: Mapping[str, Any], state_dir: Path) -> Standin:
    """Build the stand-in from its table in the configuration file."""
    return OneCBase(name, BaseOptions.parse(name, options), state_dir)
