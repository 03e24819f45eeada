"""Why a request is not answered with a transcript: a status, a code for programs, a sentence for people."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

# Refusals as OpenAPI describes them.
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    400: {"description": "A parameter or the audio is wrong"},
    401: {"description": "No key, or a wrong one"},
    403: {"description": "Another site's page uses a server without keys"},
    404: {"description": "No such model"},
    408: {"description": "The body came too slowly"},
    413: {"description": "Too many bytes or seconds"},
    429: {"description": "Too many requests of one client; see Retry-After"},
    503: {"description": "The server is busy or stopping; see Retry-After"},
}


class Refusal(Exception):  # noqa: N818 - most refusals are no errors of the server's
    """A request that gets no transcript. Every interface says it in its own shape.

    Args:
        status: HTTP status.
        code: One word in upper case and underscores, the same in every interface.
        message: A sentence for people; never a path of the server's disk.
        parameter: The parameter it concerns.
        retry_after_seconds: When it is worth trying again; sent as Retry-After.
    """

    def __init__(
        self, status: int, code: str, message: str, parameter: str = "", retry_after_seconds: int | None = None
    ) -> None:
        self.status, self.code, self.message = status, code, message
        self.parameter, self.retry_after_seconds = parameter, retry_after_seconds
        super().__init__(status, code, message, parameter, retry_after_seconds)  # pickled by these between processes


def close_code(refusal: Refusal) -> int:
    """What closes a WebSocket: 1011 "internal error" makes clients try again, 1008 "policy violation" does not."""
    return 1011 if refusal.status >= 500 or refusal.code == "SILENT" else 1008


def bad_audio(message: str) -> Refusal:
    """The body is no audio that can be decoded within the limits."""
    return Refusal(400, "BAD_AUDIO", message)


def bad_parameter(parameter: str, message: str) -> Refusal:
    """A parameter has an impossible value, or asks for what this server cannot do."""
    return Refusal(400, "BAD_PARAMETER", message, parameter=parameter)


def invalid_value(error: ValidationError) -> Refusal:
    """The first of pydantic's findings."""
    first = error.errors()[0]
    return bad_parameter(str(first["loc"][0]) if first["loc"] else "", first["msg"][:200])


def too_large(message: str) -> Refusal:
    """More bytes or seconds than the server takes in one request."""
    return Refusal(413, "TOO_LARGE", message)


def too_many(message: str, retry_after_seconds: int) -> Refusal:
    """This client asks for more than its share."""
    return Refusal(429, "TOO_MANY_REQUESTS", message, retry_after_seconds=retry_after_seconds)


def overloaded(message: str, retry_after_seconds: int) -> Refusal:
    """The server has as much to do as it takes on."""
    return Refusal(503, "OVERLOADED", message, retry_after_seconds=retry_after_seconds)
