"""What there is for a client: models, in the shape that it reads, and tokens in place of its key."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError

from vizinho.errors import ModelError
from vizinho.server.admission import Admitted, Client, read_body, service_of
from vizinho.server.protocols import openai
from vizinho.server.protocols.cards import CardFacts, CardList, facts
from vizinho.server.protocols.deepgram_wire import DeepgramError, Grant, GrantWish, ServedModelInfo, ServedModels
from vizinho.server.security.keys import key_of
from vizinho.server.security.refusals import DOCUMENTED, bad_parameter, invalid_value
from vizinho.server.served import ServedModel
from vizinho.store.card import read_card

MOST_SECONDS = 3600
router = APIRouter()
_REFUSALS: dict[int | str, dict[str, Any]] = {s: {**r, "model": openai.OpenAIError} for s, r in DOCUMENTED.items()}


@router.get(
    "/v1/models", tags=["OpenAI", "Deepgram"], responses={s: r for s, r in _REFUSALS.items() if s in (401, 403)}
)
async def models(request: Request, _: Client) -> openai.ModelList | ServedModels:
    """Names that can be asked for: bare names first, then every version.

    Deepgram's clients get their shape: they authenticate with `Token`, name themselves, or send `include_outdated`.
    """
    listed = service_of(request).catalog.listed()
    if for_deepgram(request):
        return ServedModels(stt=[_for_deepgram(name, served) for name, served in listed])
    return openai.ModelList(data=[_for_openai(name, served) for name, served in listed])


@router.get(
    "/v1/models/{name}",
    tags=["OpenAI", "Deepgram"],
    responses={s: r for s, r in _REFUSALS.items() if s in (400, 401, 403, 404)},
)
async def model(request: Request, name: str, _: Client) -> openai.Model | ServedModelInfo:
    """One model by its name."""
    served = service_of(request).catalog.choose(name, None)
    return _for_deepgram(name, served) if for_deepgram(request) else _for_openai(name, served)


@router.get("/v1/cards", include_in_schema=False)
async def cards(request: Request, _: Client) -> CardList:
    """How good the models are, by their cards, in sentences for the page."""
    listed = service_of(request).catalog.listed()
    return CardList(models=await asyncio.to_thread(lambda: [_facts(name, served) for name, served in listed]))


@router.post(
    "/v1/auth/grant",
    tags=["Deepgram"],
    responses={s: {**r, "model": DeepgramError} for s, r in DOCUMENTED.items() if s != 404},
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": GrantWish.model_json_schema()}}}},
)
async def grant(request: Request, admitted: Admitted) -> Grant:
    """A token that stands for the key until it expires, such as for a browser."""
    service = admitted.service
    # FastAPI itself would read a body of any size, before it asks for a key, and parse it in the event loop.
    body = await read_body(request, admitted, service.limits.max_json_bytes)
    try:
        seconds = (GrantWish.model_validate_json(body) if body else GrantWish()).ttl_seconds
    except ValidationError as error:
        raise invalid_value(error) from None
    seconds = 30 if seconds is None else seconds
    if not 1 <= seconds <= MOST_SECONDS:
        raise bad_parameter("ttl_seconds", f"give 1 to {MOST_SECONDS}")
    if not service.keys.required:
        raise bad_parameter("Authorization", "this server has no keys, so it grants no tokens")
    token = service.keys.grant(key_of(request.headers.get("authorization")), int(seconds))
    return Grant(access_token=token, expires_in=int(seconds))


def for_deepgram(request: Request) -> bool:
    """Whether a request comes from a client of Deepgram's."""
    headers = request.headers
    if "include_outdated" in request.query_params or headers.get("authorization", "").lower().startswith("token "):
        return True
    names = f"{headers.get('x-fern-sdk-name', '')} {headers.get('user-agent', '')}"
    return "deepgram" in names.lower()


def _for_openai(name: str, served: ServedModel) -> openai.Model:
    return openai.Model(id=name, created=served.created_unix_seconds, language=served.language)


def _for_deepgram(name: str, served: ServedModel) -> ServedModelInfo:
    return ServedModelInfo(
        name=name,
        canonical_name=served.ref,
        architecture=served.architecture,
        languages=[served.language] if served.language else [],
        version=str(served.version),
        uuid=served.ref,
    )


def _facts(name: str, served: ServedModel) -> CardFacts:
    try:
        card = read_card(served.folder)
    except ModelError:  # replaced by a broken one since the list was made
        card = None
    return facts(name, served, card)
