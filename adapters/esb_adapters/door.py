"""The HTTP door of the bus: the adapters' webhook routes, `/healthz` and `/metrics` in one application."""

from collections.abc import Callable, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route


def door(routes: Sequence[BaseRoute], *, is_ready: Callable[[], bool] = lambda: True) -> Starlette:
    """Build the application.

    Args:
        routes: what the adapters receive, made with one shared `Intake`.
        is_ready: False while webhooks could not be stored; a load balancer then looks elsewhere.
    """

    async def health(_: Request) -> Response:
        ready = is_ready()
        return JSONResponse({"status": "ok" if ready else "broker_unavailable"}, 200 if ready else 503)

    return Starlette(routes=[Route("/healthz", health), Route("/metrics", _metrics), *routes])


async def _metrics(_: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
