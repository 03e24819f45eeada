"""A worker's process: one thread transcribes recordings, another listens to streams, so neither waits for the other.

The networks' library releases the interpreter while it computes, so the operating system shares a core between the two
threads fairly; streams take turns piece by piece, and those that wait at the same time compute in one call. Hostile
audio can at worst end this process, which the server replaces.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection

from vizinho.errors import AudioError, SpecError, TextError, VizinhoError
from vizinho.parallel import begin_process
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.speakers import load_speakers, voice, with_speakers
from vizinho.recognition.together import Steps, together
from vizinho.records import Transcript, Word
from vizinho.server.security.refusals import Refusal, bad_audio, bad_parameter
from vizinho.server.served import ServedModel
from vizinho.server.workers import messages
from vizinho.server.workers.audio import Recording, voice_samples
from vizinho.server.workers.detect import DETECT_SECONDS, choose, evidence
from vizinho.server.workers.models import Classify, LoadedModels, load_classifier, loader
from vizinho.server.workers.session import LiveSession

Report = messages.Report
StreamOrder = messages.OpenStream | messages.StreamOrder
_HINT_BOOST = 2.0
"""Nats for a word of a prompt, which may be any text: enough to choose between spellings that sound alike."""
log = logging.getLogger("vizinho.server.workers.worker")


def work(connection: Connection, options: messages.WorkerOptions) -> None:
    """Execute orders until the server is gone. Signals are the server's to handle: it drains, then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begin_process(options.threads)
    try:
        classify = load_classifier(options.classifier)
    except VizinhoError as error:
        log.error("no topics: %s", error)
        classify = None
    models = LoadedModels(loader(options.engine, options.threads), options.models_loaded)
    worker = Worker(models, classify, _sender(connection))
    for execute in (worker.execute_recordings, worker.execute_streams):
        threading.Thread(target=execute, daemon=True).start()
    worker.report([messages.Ready(topics=classify is not None)])
    try:
        while True:
            for order in connection.recv():
                worker.put(order)
    except (EOFError, OSError):
        os._exit(0)  # the server is gone; a thread in the middle of a network has nobody left to report to


def _sender(connection: Connection) -> Callable[[Sequence[messages.Report]], None]:
    """Sends reports of both threads, those of one of them at a time."""
    lock = threading.Lock()

    def send(reports: Sequence[messages.Report]) -> None:
        try:
            with lock:
                connection.send(reports)
        except OSError:
            os._exit(0)

    return send


HURRY_SECONDS = 0.3
"""Orders of streams that wait longer than this: partial results come less often, so that final ones are in time."""
_MEMORY = 0.05
"""Weight of the newest order in the moving mean: about two seconds of ten messages a second."""


class Lateness:
    """How long the orders of streams wait for their worker, as a moving mean."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def note(self, sent_at: float | None) -> None:
        """An order that was sent then is begun now."""
        if sent_at is not None:
            waited = max(0.0, time.monotonic() - sent_at)  # one clock for all processes of a machine
            self.seconds += _MEMORY * (waited - self.seconds)


MOST_ORDERS = 128
"""Orders of streams that are executed together: of messages of 0.1 s about one in six completes a chunk."""


class StreamQueue:
    """Orders of streams, in the order they came; for one thread that puts and one that takes."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[StreamOrder] = queue.SimpleQueue()
        self._following: StreamOrder | None = None

    def put(self, order: StreamOrder) -> None:
        """Add an order."""
        self._orders.put(order)

    def take(self) -> list[StreamOrder]:
        """Wait for an order; returns it and those that wait after it, up to a second one of the same stream."""
        orders = [self._following or self._orders.get()]
        self._following = None
        with suppress(queue.Empty):
            while len(orders) < MOST_ORDERS:
                order = self._orders.get_nowait()
                if any(order.id == other.id for other in orders):
                    self._following = order
                    break
                orders.append(order)
        return orders


class Worker:
    """Executes orders; `report` is called from the threads that execute them."""

    def __init__(
        self, models: LoadedModels, classify: Classify | None, report: Callable[[Sequence[messages.Report]], None]
    ) -> None:
        self.models, self.classify, self.report = models, classify, report
        self.recordings: queue.SimpleQueue[messages.Order] = queue.SimpleQueue()
        self.stream_orders = StreamQueue()
        self._sessions: dict[int, LiveSession] = {}
        self._lateness = Lateness()

    def put(self, order: messages.Order) -> None:
        """Put an order into the queue of the right thread."""
        if isinstance(order, messages.FileJob | messages.Preload):
            self.recordings.put(order)
        else:
            self.stream_orders.put(order)

    def execute_recordings(self) -> None:
        """Execute orders of recordings as they come, for good."""
        while True:
            self.execute([self.recordings.get()])

    def execute_streams(self) -> None:
        """Execute orders of streams as they come, for good, those that wait together."""
        while True:
            self.execute(self.stream_orders.take())

    def execute(self, orders: Sequence[messages.Order]) -> None:
        """Execute orders of different streams, or one of a recording, and report on each, whatever happens."""
        for ended in together([self._steps(order) for order in orders]):
            reports = [self._failed(orders[at], came) if isinstance(came, Exception) else came for at, came in ended]
            if told := [report for report in reports if report is not None]:
                self.report(told)

    def _failed(self, order: messages.Order, error: Exception) -> messages.Report | None:
        match error:
            case Refusal():
                return self._refused(order, error)
            case AudioError():
                return self._refused(order, bad_audio(error.what))
        # A defect of ours must not end the worker: others' streams live in it. The log has what clients do not see.
        log.error("order failed", exc_info=error)
        return self._refused(order, Refusal(500, "INTERNAL", f"an unexpected {type(error).__name__}"))

    def _refused(self, order: messages.Order, refusal: Refusal) -> messages.Report | None:
        if isinstance(order, messages.Preload):
            return messages.Loaded(order.model.ref, refusal.message)
        if isinstance(order, messages.StreamOrder) and order.kind == "configure":
            return messages.Failed(order.id, refusal)  # the stream goes on as it was
        session = self._sessions.pop(order.id, None)  # of a stream that failed; recordings have ids of their own
        if session is not None:
            session.drop()
        return messages.Failed(order.id, refusal)

    def _steps(self, order: messages.Order) -> Steps[messages.Report | None]:
        match order:
            case messages.FileJob():
                return self._transcribe(order)
            case messages.Preload():
                return self._preload(order)
            case messages.OpenStream():
                if order.speakers:  # it takes seconds the first time, which other streams must not wait for
                    threading.Thread(target=load_speakers, daemon=True).start()
                recognizer, used = self._favouring(order.model, order.favoured, order.hint)
                session = self._sessions[order.id] = LiveSession(recognizer, order, used)
                return session.opened()
            case messages.StreamOrder():
                return (yield from self._listen(order))

    def _preload(self, order: messages.Preload) -> messages.Report:
        try:
            self.models.get(order.model)
        except VizinhoError as error:
            return messages.Loaded(order.model.ref, str(error))
        return messages.Loaded(order.model.ref)

    def _model(self, model: ServedModel) -> tuple[Recognizer, ServedModel]:
        try:
            return self.models.get(model)
        except VizinhoError as error:
            log.error("%s", error)
            raise Refusal(500, "MODEL_BROKEN", f"{model.ref} cannot be loaded") from error

    def _favouring(
        self, model: ServedModel, phrases: Sequence[tuple[str, float]], hint: str = ""
    ) -> tuple[Recognizer, ServedModel]:
        """The model, with a search that favours some words where any are named, and a hint's words a little."""
        recognizer, used = self._model(model)
        hotwords = dict.fromkeys(recognizer.writable(hint), _HINT_BOOST) | dict(phrases)
        if not hotwords:
            return recognizer, used
        try:
            return recognizer.favouring(hotwords), used
        except (TextError, SpecError) as error:
            raise bad_parameter("keywords", error.what) from error

    def _transcribe(self, job: messages.FileJob) -> messages.FileDone:
        recording = Recording(job)
        voices = [voice(voice_samples(audio)) for audio in job.voices]
        model, detected = job.model, None
        if job.candidates:  # one pass of each over the beginning, then the winner over everything
            model, share = self._detect(job, recording)
            detected = (model.language, share)
        recognizer, used = self._favouring(model, job.favoured, job.hint)
        if job.deltas:
            transcripts = [self._with_deltas(job, recognizer, recording)]
        else:
            transcripts = [recording.transcribe(recognizer, number) for number in range(recording.channels)]
        if job.speakers:
            channels = enumerate(transcripts)
            transcripts = [with_speakers(t, recording.channel(number), known=voices) for number, t in channels]
        topics = None
        if job.topics and self.classify is not None:
            topics = tuple(self.classify(" ".join(t.text for t in transcripts)))
        return messages.FileDone(job.id, tuple(transcripts), used, detected, topics)

    def _detect(self, job: messages.FileJob, recording: Recording) -> tuple[ServedModel, float]:
        sample = recording.beginning(DETECT_SECONDS)
        return choose(job.candidates, [evidence(self._model(m)[0], sample, m.language) for m in job.candidates])

    def _with_deltas(self, job: messages.FileJob, recognizer: Recognizer, recording: Recording) -> Transcript:
        """The words of a request without deltas, told as they are decoded."""
        begun = False

        def tell(words: Sequence[Word]) -> None:
            nonlocal begun
            text = " ".join(word.text for word in words)
            self.report([messages.Delta(job.id, f" {text}" if begun else text)])
            begun = True

        return recording.transcribe(recognizer, 0, tell)

    def _listen(self, order: messages.StreamOrder) -> Steps[messages.StreamReport | None]:
        session = self._sessions.get(order.id)
        if session is None:  # it failed before; its client has been told
            return None
        if order.kind in ("close", "drop"):
            del self._sessions[order.id]
        match order.kind:
            case "audio":
                self._lateness.note(order.sent_at)
                late = self._lateness.seconds
                report = yield from session.accept(order.data, hurried=late > HURRY_SECONDS)
                return replace(report, late_seconds=late)
            case "configure":
                assert order.configuration is not None
                recognizer, _ = self._favouring(session.model, order.configuration.favoured, order.configuration.hint)
                return session.configure(recognizer, order.configuration)
            case "clear":
                return session.clear()
            case "finalize":
                return (yield from session.finalize())
            case "close":
                return (yield from session.close())
            case "drop":
                session.drop()
                return None
