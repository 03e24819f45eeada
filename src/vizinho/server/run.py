"""Runs a server: checks its options, listens, and on SIGTERM lets what was begun come to its end."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from vizinho.errors import SpecError
from vizinho.server.admission import Service
from vizinho.server.app import create_app
from vizinho.server.catalog import Catalog
from vizinho.server.correct.desk import Desk, sole_desk
from vizinho.server.drafting import drafting_model
from vizinho.server.security.callbacks import Callbacks
from vizinho.server.security.connections import Connections
from vizinho.server.security.fetch import Fetcher
from vizinho.server.security.keys import Keys, check_exposure
from vizinho.server.security.limits import Admission, Limits
from vizinho.server.security.metrics import Metrics
from vizinho.server.workers.messages import WorkerOptions
from vizinho.server.workers.pool import Pool
from vizinho.store.store import Store

if TYPE_CHECKING:
    from vizinho.text_models.punctuation import Punctuation

log = logging.getLogger("vizinho.server")

_READ_BYTES = 262_144  # what asyncio reads at once: so much of a head may come beyond a limit before anybody sees it


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where to listen, what to serve and how."""

    names: tuple[str, ...] = ()  # NAME, NAME@VERSION or a folder; all of the store's without any
    language: str = ""  # of folders without a card
    aliases: Mapping[str, str] = field(default_factory=dict)  # other names for models, such as whisper-1
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 2
    no_auth: bool = False
    fetch_hosts: tuple[str, ...] = ()  # hosts that {"url": ...} may name; nothing is fetched without any
    fetch_private: bool = False
    callback_hosts: tuple[str, ...] = ()  # hosts that answers may be sent to; nobody is called back without any
    correct: Path | None = None  # a manifest that people correct in the browser
    override: str | None = None  # why models may be served although their speech refuses it
    profanity: Path | None = None  # a file of words that profanity_filter masks
    punctuation: tuple[Path, ...] = ()  # folders of taggers of punctuation, one a language
    wyoming: int | None = None  # port of the Wyoming protocol on 127.0.0.1; None where that is off
    worker: WorkerOptions = field(default_factory=WorkerOptions)
    limits: Limits = field(default_factory=Limits)


def make_service(options: ServeOptions, keys: Keys, store: Store | None = None, desk: Desk | None = None) -> Service:
    """Check options and put a service together. Raises SpecError and StoreError."""
    check_exposure(keys, options.host, no_auth=options.no_auth)
    if options.worker.classifier is not None and not options.worker.classifier.is_dir():
        raise SpecError("no such folder", where=f"--topics {options.worker.classifier}")
    limits, metrics = options.limits, Metrics()
    store = store or Store()
    catalog = Catalog(store, options.names, options.aliases, options.language, options.override)
    if desk is not None:
        drafting_model(catalog, desk)
    pool = Pool(options.worker, options.workers, limits, metrics)
    fetcher = None
    if options.fetch_hosts:
        fetcher = Fetcher(frozenset(options.fetch_hosts), limits.max_body_bytes, options.fetch_private)
    return Service(
        keys,
        limits,
        catalog,
        pool,
        metrics,
        Admission(limits, clients=max(1, len(keys.digests)) + (options.wyoming is not None)),
        fetcher,
        store,
        desk,
        _words(options.profanity),
        options.wyoming,
        _callbacks(options, metrics),
        punctuation=_punctuation(options.punctuation),
    )


def _punctuation(folders: Sequence[Path]) -> dict[str, Punctuation]:
    """Taggers by language. Raises ModelError, and SpecError for two of one language."""
    if not folders:
        return {}
    from vizinho.parallel import set_threads  # torch is imported by taggers alone
    from vizinho.text_models.punctuation import load_punctuation

    set_threads(1)
    taggers: dict[str, Punctuation] = {}
    for folder in folders:
        tagger = load_punctuation(folder)
        if taggers.setdefault(tagger.normalizer.lang, tagger) is not tagger:
            raise SpecError(f"a second tagger of {tagger.normalizer.lang!r}", where=f"--punctuation {folder}")
    return taggers


def _callbacks(options: ServeOptions, metrics: Metrics) -> Callbacks | None:
    if not options.callback_hosts:
        return None
    # What the other side answers is thrown away, so little of it is read.
    return Callbacks(Fetcher(frozenset(options.callback_hosts), 1_000_000, options.fetch_private), metrics)


def _words(path: Path | None) -> frozenset[str] | None:
    """The words of a file, one a line. Raises SpecError for a file that cannot be read or has none."""
    if path is None:
        return None
    try:
        words = frozenset(word for line in path.read_text("utf-8").splitlines() if (word := line.strip().lower()))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot be read ({error})", where=f"--profanity {path}") from error
    if not words:
        raise SpecError("the file has no words", where=f"--profanity {path}", fix="write one a line")
    return words


def serve(options: ServeOptions, keys: Keys) -> None:
    """Listen until SIGTERM or SIGINT.

    Raises SpecError, StoreError and, for the corpus to correct, CorpusError before anything is started.
    """
    with contextlib.ExitStack() as stack:
        desk = stack.enter_context(sole_desk(options.correct)) if options.correct is not None else None
        _listen(options, make_service(options, keys, desk=desk))


def _listen(options: ServeOptions, service: Service) -> None:
    limits = service.limits
    longest_head = limits.max_head_bytes + _READ_BYTES
    # uvicorn has the `websockets` library parse the head of an upgrade once more; what came so far is to pass there.
    os.environ.setdefault("WEBSOCKETS_MAX_LINE_LENGTH", str(longest_head))
    os.environ.setdefault("WEBSOCKETS_MAX_NUM_HEADERS", str(longest_head))
    config = uvicorn.Config(
        create_app(service),
        host=options.host,
        port=options.port,
        http=Connections(limits, service.metrics).protocol(),
        ws="websockets-sansio",
        ws_max_size=limits.max_message_bytes,
        ws_per_message_deflate=False,  # sound hardly shrinks, and to inflate it costs as much as all else here
        ws_ping_interval=20,  # a client whose machine is gone is noticed after 40 s
        ws_ping_timeout=20,
        timeout_keep_alive=int(limits.keep_alive_seconds),
        timeout_graceful_shutdown=5,  # after DrainingServer has waited for the work itself
        h11_max_incomplete_event_size=longest_head,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # anybody may write X-Forwarded-For
    )
    DrainingServer(config, service).run()


class DrainingServer(uvicorn.Server):  # type: ignore[misc]
    """On the first signal new work is refused (and /readyz says so) while old work goes on; on a second all stops.

    Streams may go on for as long as recordings may; then they get their last results and Metadata.
    """

    _STREAMS_END_SECONDS = 3.0  # what is left of the time for streams to come to their end

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._deadline: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called for SIGTERM and SIGINT."""
        if self._deadline is not None:
            super().handle_exit(sig, frame)
            return
        self._service.admission.draining = True
        self._deadline = time.monotonic() + self._service.limits.drain_seconds

    def _idle(self) -> bool:
        service = self._service
        answered = service.callbacks is None or service.callbacks.idle
        return answered and service.pool.idle and not service.admission.requests.total()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; whether to stop."""
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= self._STREAMS_END_SECONDS:
                self._service.finish_streams.set()
            if left <= 0:
                self._service.pool.give_up()
            if left <= 0 or self._idle():
                self.should_exit = True
        stop: bool = await super().on_tick(counter)
        return stop
