"""Who may use the server: keys from the environment, compared in constant time; off only on loopback."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vizinho.errors import SpecError
from vizinho.server.security.refusals import Refusal

VARIABLE = "VIZINHO_API_KEYS"
MIN_KEY_CHARACTERS = 16  # shorter keys can be guessed; Python's secrets.token_urlsafe(32) makes a good one
_SCHEMES = ("token", "bearer")
_GRANTED = "granted."  # begins tokens, which no key does
_IN_BROWSERS = "openai-insecure-api-key."
ANYONE = "anyone"  # the client of a server without keys


@dataclass(frozen=True, slots=True)
class Keys:
    """Digests of the keys that are let in; none at all means that everyone is."""

    digests: tuple[bytes, ...]

    @property
    def required(self) -> bool:
        """Whether a request needs a key."""
        return bool(self.digests)

    def client(self, key: str | None) -> str:
        """A name for the key's owner that may stand in logs and metrics (12 hexadecimal digits of its hash).

        Every key is compared, each in constant time, so that the time tells neither which key nor how much of it fits.
        Raises Refusal 401.
        """
        if not self.required:
            return ANYONE
        if not key:
            raise Refusal(401, "INVALID_AUTH", "a key is needed: Authorization: Token KEY, or Bearer KEY")
        if key.startswith(_GRANTED):
            return self._granted(key)
        digest = _digest(key)
        known = [hmac.compare_digest(digest, other) for other in self.digests]
        if not any(known):
            raise Refusal(401, "INVALID_AUTH", "the key is not one of this server's")
        return digest.hex()[:12]  # 48 bits: enough to tell clients apart, nothing to guess a key from

    def grant(self, key: str | None, seconds: int) -> str:
        """A token that stands for a key and expires; replicas with the same keys take it. Raises Refusal 401, 403.

        It is signed with the key's digest: whoever takes the key from the server takes its tokens too.
        """
        client = self.client(key)
        if key is None or key.startswith(_GRANTED):
            raise Refusal(403, "FORBIDDEN", "a key is needed here, not a token")
        claim = f"{client}.{int(time.time()) + seconds}"
        return f"{_GRANTED}{claim}.{_signed(_digest(key), claim)}"

    def signature(self, client: str, body: bytes) -> str | None:
        """HMAC-SHA256 of a body, by the SHA-256 digest of the client's key; None for a client without a key."""
        digest = next((d for d in self.digests if d.hex()[:12] == client), None)
        return hmac.new(digest, body, hashlib.sha256).hexdigest() if digest is not None else None

    def _granted(self, token: str) -> str:
        """The client of a token. Raises Refusal 401."""
        claim, _, signature = token.removeprefix(_GRANTED).rpartition(".")
        client, _, until = claim.partition(".")
        signing = next((d for d in self.digests if d.hex()[:12] == client), None)
        # Without a digest there is nothing to check with: anybody could sign with an empty one.
        if signing is None or not hmac.compare_digest(
            _signed(signing, claim).encode(), signature.encode("utf-8", "surrogateescape")
        ):
            raise Refusal(401, "INVALID_AUTH", "the token is not one of this server's")
        if int(until) < time.time():
            raise Refusal(401, "EXPIRED_TOKEN", "the token has expired")
        return client


def key_of(authorization: str | None, subprotocols: Sequence[str] = ()) -> str | None:
    """The key in an Authorization header, else in a WebSocket's subprotocols, as browsers send it.

    Those are "token", KEY for Deepgram and "realtime", "openai-insecure-api-key.KEY" for OpenAI.
    Schemes are Token (Deepgram's clients) and Bearer (OpenAI's), in any case.
    """
    scheme, _, key = (authorization or "").strip().partition(" ")
    if scheme.lower() in _SCHEMES and key.strip():
        return key.strip()
    if len(subprotocols) >= 2 and subprotocols[0].lower() in _SCHEMES:
        return subprotocols[1]
    return next((p.removeprefix(_IN_BROWSERS) for p in subprotocols if p.startswith(_IN_BROWSERS)), None)


def keys_from(environment: Mapping[str, str] = os.environ) -> Keys:
    """Keys of $VIZINHO_API_KEYS, separated by commas. Raises SpecError for a key that is too short to be safe."""
    keys = [key.strip() for key in environment.get(VARIABLE, "").split(",") if key.strip()]
    short = [number for number, key in enumerate(keys, 1) if len(key) < MIN_KEY_CHARACTERS]
    if short:
        raise SpecError(
            f"key number {short[0]} is shorter than {MIN_KEY_CHARACTERS} characters",
            where=VARIABLE,
            fix="use a longer one",
        )
    return Keys(tuple(_digest(key) for key in keys))


def check_exposure(keys: Keys, host: str, *, no_auth: bool) -> None:
    """Raises SpecError unless there are keys, or their absence was asked for and only this machine can connect."""
    if no_auth and keys.required:
        raise SpecError("keys are set and --no-auth is given", where=VARIABLE, fix="leave out one of the two")
    if no_auth and not is_loopback(host):
        raise SpecError(
            "a server without keys may listen on this machine only",
            where=f"--host {host}",
            fix=f"use --host 127.0.0.1, or set {VARIABLE}",
        )
    if not no_auth and not keys.required:
        raise SpecError("no keys", where=VARIABLE, fix="set it (KEY1,KEY2), or give --no-auth on 127.0.0.1")


def is_loopback(host: str) -> bool:
    """Whether a host name or address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def same_origin(origin: str | None, host: str | None) -> bool:
    """Whether a browser's request comes from this server's own page, or from no page at all.

    A server without keys must not be used by whatever page its user happens to look at, neither directly (Origin) nor
    through a name that was pointed at 127.0.0.1 (Host).
    """
    name = (host or "").rpartition(":")[0] if (host or "").rpartition(":")[2].isdigit() else (host or "")
    if not is_loopback(name):
        return False
    return origin is None or origin.partition("://")[2] == host  # programs send no Origin, browsers always


def _signed(digest: bytes, claim: str) -> str:
    return hmac.new(digest, claim.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def _digest(key: str) -> bytes:
    """Keys are compared by hash: equal lengths, and nothing in memory that a dump would give away."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
