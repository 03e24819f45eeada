"""`vizinho serve`: the models of the store over HTTP and WebSocket."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from vizinho.cli.options import Engine, Override, Spoken, processes_that_fit
from vizinho.errors import SpecError


def serve(
    names: Annotated[
        list[str] | None,
        Argument(help="Models: NAME (every version), NAME@VERSION or a folder; without any, the whole store."),
    ] = None,
    host: Annotated[str, Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Option("--port", min=0, max=65535, help="Port to listen on.")] = 8080,
    workers: Annotated[
        int | None, Option("--workers", min=1, max=256, help="Worker processes (default: one a physical core).")
    ] = None,
    no_auth: Annotated[bool, Option("--no-auth", help="No keys; only on an address of this machine.")] = False,
    alias: Annotated[
        list[str] | None, Option("--alias", help="OTHER=MODEL: a name that clients ask for, e.g. whisper-1=es.")
    ] = None,
    fetch_host: Annotated[
        list[str] | None, Option("--fetch-host", help='HOST or HOST:PORT that {"url": ...} may name; off without any.')
    ] = None,
    fetch_private: Annotated[
        bool, Option("--fetch-private", help="Allowed hosts may have addresses that are not public.")
    ] = False,
    callback_host: Annotated[
        list[str] | None, Option("--callback-host", help="HOST or HOST:PORT that callback= may name; off without any.")
    ] = None,
    topics: Annotated[
        Path | None, Option("--topics", help="Folder of a classifier of topics.", show_default=False)
    ] = None,
    wyoming: Annotated[
        int | None,
        Option("--wyoming", min=1, max=65535, help="Port of the Wyoming protocol, on 127.0.0.1.", show_default=False),
    ] = None,
    profanity: Annotated[
        Path | None, Option("--profanity", help="Words that profanity_filter masks, one a line.", show_default=False)
    ] = None,
    punctuation: Annotated[
        list[Path] | None,
        Option("--punctuation", help="Folder of a tagger for `punctuate`; one a language.", show_default=False),
    ] = None,
    correct: Annotated[
        Path | None,
        Option("--correct", help="Manifest that people correct at /correct; edits go beside it.", show_default=False),
    ] = None,
    override: Override = None,
    engine: Engine = "onnx",
    lang: Spoken = None,
    max_megabytes: Annotated[int, Option("--max-megabytes", min=1, help="Largest recording.")] = 100,
    max_minutes: Annotated[int, Option("--max-minutes", min=1, help="Longest recording or stream.")] = 240,
    max_streams: Annotated[int, Option("--max-streams", min=1, help="Streams open at once.")] = 64,
    max_waiting: Annotated[int, Option("--max-waiting", min=1, help="Recordings that wait for a worker.")] = 64,
    requests_per_minute: Annotated[
        int, Option("--requests-per-minute", min=1, help="Requests and streams begun, for each key.")
    ] = 600,
    patience: Annotated[
        float, Option("--patience", min=0.1, help="Seconds that a client may pause in a request or a stream.")
    ] = 12.0,
    drain_seconds: Annotated[
        float, Option("--drain-seconds", min=0, help="Time for open work to end after SIGTERM.")
    ] = 30.0,
) -> None:
    """Serve models to the clients of Deepgram and OpenAI; keys come from VIZINHO_API_KEYS (KEY1,KEY2).

    Models that learnt from speech that is "not for serving" or "community only" are refused (docs/rights.md).
    """
    from vizinho.server.run import ServeOptions
    from vizinho.server.run import serve as run
    from vizinho.server.security.keys import keys_from
    from vizinho.server.security.limits import Limits
    from vizinho.server.workers.messages import WorkerOptions

    limits = Limits(
        max_body_bytes=max_megabytes * 1_000_000,
        max_memory_bytes=5 * max_megabytes * 1_000_000,
        max_audio_seconds=max_minutes * 60.0,
        max_stream_seconds=max_minutes * 60.0,
        max_streams=max_streams,
        max_streams_per_client=max_streams,
        max_waiting=max_waiting,
        requests_per_minute=requests_per_minute,
        header_seconds=patience,
        body_idle_seconds=patience,
        silent_stream_seconds=patience,
        drain_seconds=drain_seconds,
    )
    options = ServeOptions(
        names=tuple(names or ()),
        language=lang or "",
        aliases=dict(map(_alias, alias or ())),
        host=host,
        port=port,
        workers=processes_that_fit("--workers", workers),
        no_auth=no_auth,
        fetch_hosts=tuple(fetch_host or ()),
        fetch_private=fetch_private,
        callback_hosts=tuple(callback_host or ()),
        correct=correct,
        override=override,
        profanity=profanity,
        punctuation=tuple(punctuation or ()),
        wyoming=wyoming,
        worker=WorkerOptions(engine=engine, classifier=topics),
        limits=limits,
    )
    run(options, keys_from())


def _alias(pair: str) -> tuple[str, str]:
    other, _, model = pair.partition("=")
    if not other or not model:
        raise SpecError(f"{pair!r} is no alias", where="--alias", fix="give OTHER=MODEL")
    return other, model
