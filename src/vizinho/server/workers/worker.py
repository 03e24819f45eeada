"""A worker's process: one thread transcribes recordings, another listens to streams, so neither waits for the other.

The networks' library lets go of the interpreter while it computes, so the operating system shares a core between the
two threads fairly; streams take turns piece by piece. Hostile audio can at worst end this process, which the server
replaces.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from vizinho.decoding.options import BeamOptions
from vizinho.decoding.setup import DecoderSpec
from vizinho.errors import AudioError, TextError, VizinhoError
from vizinho.recognition.recognizer import Recognizer, mean_confidence
from vizinho.recognition.stream import Final, StreamOptions, StreamSession
from vizinho.records import Transcript
from vizinho.server.protocols.deepgram import UsedModel
from vizinho.server.protocols.deepgram_live import StreamIdentity
from vizinho.server.security.refusals import Refusal, bad_audio, bad_parameter
from vizinho.server.workers.detect import DETECT_SECONDS, choose, evidence
from vizinho.server.workers.intake import Recording, stream_decoder
from vizinho.server.workers.messages import (
    Answer,
    Delta,
    Failed,
    FileDone,
    FileJob,
    Loaded,
    ModelPlace,
    OpenStream,
    Order,
    Preload,
    Ready,
    StreamAudio,
    StreamClose,
    StreamDrop,
    StreamFinalize,
    StreamMessages,
    WorkerOptions,
)
from vizinho.server.workers.models import LoadedModels, loader
from vizinho.server.workers.session import LiveSession
from vizinho.server.workers.topics import Classify, load_classifier

log = logging.getLogger("vizinho.server.workers.worker")


def work(connection: Connection, options: WorkerOptions) -> None:
    """Take orders until the server is gone. Signals are the server's to handle: it drains and then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        classify = load_classifier(options.classifier)
    except VizinhoError as error:
        log.error("no topics: %s", error)
        classify = None
    worker = Worker(
        LoadedModels(loader(options.engine, options.threads), options.models_loaded), classify, _Outlet(connection).send
    )
    for orders in (worker.recordings, worker.stream_orders):
        threading.Thread(target=worker.follow, args=(orders,), daemon=True).start()
    worker.answer(Ready(topics=classify is not None))
    try:
        while True:
            worker.give(connection.recv())
    except (EOFError, OSError):
        os._exit(0)  # the server is gone; a thread in the middle of a network has nobody left to answer


class _Outlet:
    """Answers of both threads, one at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def send(self, answer: Answer) -> None:
        try:
            with self._lock:
                self._connection.send(answer)
        except OSError:
            os._exit(0)


class Worker:
    """Follows orders; `answer` is called from the threads that follow them."""

    def __init__(self, models: LoadedModels, classify: Classify | None, answer: Callable[[Answer], None]) -> None:
        self.models, self.classify, self.answer = models, classify, answer
        self.recordings: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self.stream_orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._sessions: dict[int, LiveSession] = {}

    def give(self, order: Order) -> None:
        """Put an order where the right thread finds it."""
        (self.recordings if isinstance(order, FileJob | Preload) else self.stream_orders).put(order)

    def follow(self, orders: queue.SimpleQueue[Order]) -> None:
        """Follow orders for good."""
        while True:
            self.obey(orders.get())

    def obey(self, order: Order) -> None:
        """Follow one order and answer it, whatever happens."""
        try:
            answer = self._preload(order) if isinstance(order, Preload) else self._done(order)
        except Refusal as refusal:
            answer = self._failed(order, refusal)
        except AudioError as error:
            answer = self._failed(order, bad_audio(error.what))
        except Exception as error:
            # A defect of ours must not end the worker: others' streams live in it. The log has what clients do not see.
            log.exception("order failed")
            answer = self._failed(order, Refusal(500, "INTERNAL", f"an unexpected {type(error).__name__}"))
        if answer is not None:
            self.answer(answer)

    def _failed(self, order: Order, refusal: Refusal) -> Answer | None:
        if isinstance(order, Preload):
            return Loaded(order.model.ref, refusal.message)
        self._sessions.pop(order.id, None)
        return None if isinstance(order, StreamDrop) else Failed(order.id, refusal)

    def _done(self, order: Order) -> Answer | None:
        match order:
            case FileJob():
                return self._transcribe(order)
            case OpenStream():
                return self._open(order)
            case StreamDrop():
                self._sessions.pop(order.id, None)
                return None
            case StreamAudio() | StreamFinalize() | StreamClose():
                return self._listen(order)
            case Preload():
                return self._preload(order)

    def _preload(self, order: Preload) -> Answer:
        try:
            self.models.get(order.model)
        except VizinhoError as error:
            return Loaded(order.model.ref, str(error))
        return Loaded(order.model.ref)

    def _model(self, place: ModelPlace) -> Recognizer:
        try:
            return self.models.get(place)
        except VizinhoError as error:
            log.error("%s", error)
            raise Refusal(500, "MODEL_BROKEN", f"{place.ref} cannot be loaded") from error

    def _favouring(self, place: ModelPlace, phrases: Sequence[tuple[str, float]]) -> Recognizer:
        """The model, with a search that favours some words where any are named."""
        transcriber = self._model(place)
        if not phrases:
            return transcriber
        spec = DecoderSpec(options=BeamOptions(lm_weight=0.0), hotwords=dict(phrases))
        try:
            search = transcriber.beam(spec)
        except TextError as error:
            raise bad_parameter("keywords", error.what) from error
        return transcriber.with_decoder(search)

    def _transcribe(self, job: FileJob) -> FileDone:
        began = time.monotonic()
        recording = Recording(job)
        model, detected = job.model, None
        if job.candidates:
            model, share = self._detect(job, recording)
            detected = (model.language, share)
        transcriber = self._favouring(model, job.favoured)
        if job.deltas:
            transcripts = [self._with_deltas(job, transcriber, recording)]
        else:
            transcripts = [recording.transcribe(transcriber, number) for number in range(recording.channels)]
        topics = None
        if job.topics and self.classify is not None:
            topics = tuple(self.classify(" ".join(t.text for t in transcripts)))
        return FileDone(job.id, tuple(transcripts), model, time.monotonic() - began, detected, topics)

    def _detect(self, job: FileJob, recording: Recording) -> tuple[ModelPlace, float]:
        sample = recording.beginning(DETECT_SECONDS)
        return choose(job.candidates, [evidence(self._model(p), sample, p.language) for p in job.candidates])

    def _with_deltas(self, job: FileJob, transcriber: Recognizer, recording: Recording) -> Transcript:
        """Text utterance by utterance, as a stream would give it."""
        cutting = transcriber.options.cutting
        session = StreamSession(transcriber, StreamOptions(partial_seconds=None, cutting=cutting))
        finals: list[Final] = []
        for block in recording.channel(0):
            finals += self._delta(job, session.accept(block), bool(finals))
        finals += self._delta(job, session.finish(), bool(finals))
        words = tuple(w for f in finals for w in f.words)
        return Transcript("", " ".join(f.text for f in finals), words, mean_confidence(words), session.seconds)

    def _delta(self, job: FileJob, events: list[Any], begun: bool) -> list[Final]:
        finals = [event for event in events if isinstance(event, Final)]
        for final in finals:
            self.answer(Delta(job.id, f" {final.text}" if begun else final.text))
            begun = True
        return finals

    def _open(self, order: OpenStream) -> StreamMessages:
        place, query = order.model, order.query
        used = UsedModel(place.ref, place.name, str(place.version))
        self._sessions[order.id] = LiveSession(
            self._favouring(place, query.favoured),
            query,
            StreamIdentity.of(order.request_id, used, query.heard_channels),
            stream_decoder(query),
            order.max_seconds,
        )
        return StreamMessages(order.id, (), 0.0)

    def _listen(self, order: StreamAudio | StreamFinalize | StreamClose) -> StreamMessages | None:
        session = self._sessions.get(order.id)
        if session is None:  # it failed before; its client has been told
            return None
        before = session.seconds
        if isinstance(order, StreamAudio):
            messages = session.accept(order.data)
        elif isinstance(order, StreamFinalize):
            messages = session.finalize()
        else:
            messages = session.close()
            del self._sessions[order.id]
        return StreamMessages(order.id, tuple(messages), session.seconds - before)
