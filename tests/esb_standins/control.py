"""The control port: look at stand-ins, read their ledgers, switch faults, seed them, act as a person would.

GET    /standins                          names, kinds, addresses, faults that are on
GET    /faults/<name>                     faults that are on
PUT    /faults/<name>                     switch on: one fault or a list; one of the same kind is replaced
DELETE /faults/<name>[?kind=<kind>]       switch off one kind, or all
GET    /ledger/<name>?after=<seq>&limit=  committed writes, oldest first
GET    /objects/<name>/<set>              every object of a set
POST   /seed/<name>                       the company of the demo
POST   /actions/<name>/<action>           JSON in, JSON out
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from esb_standins.faults import Fault

if TYPE_CHECKING:
    from esb_standins.server import Seat

Seats = Mapping[str, "Seat"]
Handler = Callable[["Seat", Request], Awaitable[Any]]


def control_app(seats: Seats) -> Starlette:
    """Build the control application over these seats."""

    def at(path: str, handler: Handler, method: str) -> Route:
        return Route(path, _endpoint(seats, handler), methods=[method])

    return Starlette(
        routes=[
            Route("/standins", _list_of(seats), methods=["GET"]),
            at("/faults/{name}", _faults, "GET"),
            at("/faults/{name}", _switch_on, "PUT"),
            at("/faults/{name}", _switch_off, "DELETE"),
            at("/ledger/{name}", _ledger, "GET"),
            at("/objects/{name}/{subject}", _objects, "GET"),
            at("/seed/{name}", _seed, "POST"),
            at("/actions/{name}/{action}", _act, "POST"),
        ]
    )


def _endpoint(seats: Seats, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        seat = seats.get(request.path_params["name"])
        if seat is None:
            return JSONResponse({"error": f"no stand-in {request.path_params['name']!r}"}, 404)
        try:
            return JSONResponse(await handler(seat, request))
        except LookupError as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 404)
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 400)

    return endpoint


def _list_of(seats: Seats) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_: Request) -> Response:
        return JSONResponse([_described(name, seat) for name, seat in seats.items()])

    return endpoint


def _described(name: str, seat: "Seat") -> dict[str, Any]:
    standin = seat.standin
    return {
        "name": name,
        "kind": standin.kind,
        "url": seat.url,
        "is_open": seat.listener.is_open,
        "faults": [asdict(fault) for fault in standin.faults.active()],
    }


async def _faults(seat: "Seat", _: Request) -> Any:
    return [asdict(fault) for fault in seat.standin.faults.active()]


async def _switch_on(seat: "Seat", request: Request) -> Any:
    body = await request.json()
    seat.standin.faults.switch_on(*(Fault.parse(item) for item in (body if isinstance(body, list) else [body])))
    return await _faults(seat, request)


async def _switch_off(seat: "Seat", request: Request) -> Any:
    seat.standin.faults.clear(request.query_params.get("kind"))
    return await _faults(seat, request)


async def _ledger(seat: "Seat", request: Request) -> Any:
    after, limit = (int(request.query_params.get(name, default)) for name, default in (("after", 0), ("limit", 10_000)))
    return seat.standin.ledger(after, limit)


async def _objects(seat: "Seat", request: Request) -> Any:
    return seat.standin.objects(request.path_params["subject"])


async def _seed(seat: "Seat", request: Request) -> Any:
    return await seat.standin.seed(await _body(request))


async def _act(seat: "Seat", request: Request) -> Any:
    return await seat.standin.act(request.path_params["action"], await _body(request))


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    body = json.loads(raw) if raw else {}
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body
