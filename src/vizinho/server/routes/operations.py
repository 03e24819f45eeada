"""What runs beside the transcribing: health, readiness, metrics, the description of the interface, the page."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response, WebSocket
from fastapi.responses import FileResponse, JSONResponse

from vizinho.server.admission import Client, service_of
from vizinho.server.security.refusals import Refusal

_PAGE = Path(__file__).parents[1] / "page"
_FILES = {path.name: path for path in sorted(_PAGE.iterdir())} if _PAGE.is_dir() else {}
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Requests are welcome: a worker has its models, and the server is not stopping."""
    service = service_of(request)
    ready = service.pool.ready and not service.admission.draining
    status = "ready" if ready else "stopping" if service.admission.draining else "loading"
    return JSONResponse({"status": status}, 200 if ready else 503)


@router.get("/metrics")
async def metrics(request: Request, _: Client) -> Response:
    """Counters for Prometheus, which can send a key as a bearer token."""
    service = service_of(request)
    service.metrics.held_bytes.set(service.admission.body_bytes.total())
    return Response(service.metrics.page(), media_type=_METRICS_TYPE)


@router.get("/")
async def page() -> Response:
    """Record or drop a file, and see the words."""
    return FileResponse(_PAGE / "index.html")


@router.get("/docs")
async def docs() -> Response:
    """The interface described; everything it needs comes from this server."""
    return FileResponse(_PAGE / "docs.html")


@router.get("/page/{name}")
async def page_file(name: str) -> Response:
    """Styles and scripts of the pages."""
    if name not in _FILES:
        raise Refusal(404, "NOT_FOUND", "no such page")
    return FileResponse(_FILES[name])


@router.websocket("/{path:path}")
async def no_such_stream(socket: WebSocket, path: str) -> None:
    """Refuse a stream on any other path with an answer that a person can read."""
    raise Refusal(404, "NOT_FOUND", "streams are at /v1/listen, /v2/listen and /v1/realtime")
