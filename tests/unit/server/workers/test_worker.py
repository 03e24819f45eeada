import importlib.util
import time

import numpy as np
import pytest
from serving import SENTENCE, alike, linear16, speech, wav

from vizinho.errors import ModelError
from vizinho.recognition.recognizer import Recognizer
from vizinho.server.served import ServedModel
from vizinho.server.workers.detect import choose, evidence, spelling
from vizinho.server.workers.messages import (
    Delta,
    Failed,
    FileDone,
    FileJob,
    Loaded,
    OpenStream,
    Preload,
    RawFormat,
    StreamOrder,
)
from vizinho.server.workers.models import LoadedModels, loader
from vizinho.server.workers.worker import MOST_ORDERS, StreamQueue, Worker
from vizinho.store.store import BUNDLED

ES = ServedModel("es-demo", 2, BUNDLED / "es-demo" / "2", "es")
EN = ServedModel("en-demo", 2, BUNDLED / "en-demo" / "2", "en")


@pytest.fixture(scope="module")
def models():
    return LoadedModels(loader("torch"), 4)


@pytest.fixture
def answered(models):
    """Gives an order to a worker and returns its answers."""

    def give(order, classify=None):
        answers = []
        Worker(models, classify, answers.extend).execute([order])
        return answers

    return give


def test_a_recording_is_answered_with_its_transcript(answered):
    (done,) = answered(FileJob(7, wav(speech()), ES))
    assert isinstance(done, FileDone) and (done.id, done.transcripts[0].text) == (7, SENTENCE)
    (raw,) = answered(FileJob(8, linear16(speech()), ES, RawFormat("linear16", 16_000, 1)))
    assert raw.transcripts[0].text == SENTENCE


def test_topics_are_asked_of_the_whole_text(answered):
    (done,) = answered(FileJob(1, wav(speech()), ES, topics=True), lambda text: [(text, 0.5)])
    assert done.topics == ((SENTENCE, 0.5),)
    assert answered(FileJob(1, wav(speech()), ES), lambda text: [(text, 0.5)])[0].topics is None


def test_text_comes_piece_by_piece_and_adds_up(answered):
    once = np.concatenate([speech(), np.zeros(16_000, np.float32)])
    *deltas, done = answered(FileJob(1, wav(np.tile(once, 3)), ES, deltas=True))
    assert len(deltas) == 3 and all(isinstance(d, Delta) for d in deltas)
    assert "".join(d.text for d in deltas) == done.transcripts[0].text


def test_audio_past_the_limits_is_refused_before_it_is_transcribed(answered):
    (failed,) = answered(FileJob(1, wav(speech()), ES, max_seconds=1.0))
    assert isinstance(failed, Failed) and failed.refusal.status == 413
    raw = RawFormat("linear16", 16_000, 1)
    (failed,) = answered(FileJob(1, linear16(speech()), ES, raw, max_seconds=1.0))
    assert failed.refusal.status == 413


def test_a_broken_model_fails_its_request_and_no_other(answered, tmp_path):
    broken = ServedModel("x", 1, tmp_path, "x")
    (failed,) = answered(FileJob(1, wav(speech()), broken))
    assert failed.refusal.code == "MODEL_BROKEN" and str(tmp_path) not in failed.refusal.message
    (loaded,) = answered(Preload(broken))
    assert isinstance(loaded, Loaded) and loaded.problem
    assert answered(FileJob(1, wav(speech()), ES))[0].transcripts


def test_audio_of_a_stream_that_failed_before_has_no_answer(answered):
    assert answered(StreamOrder(99, "audio", b"xx")) == []


def of_version(version, fallback=None):
    return ServedModel("x", version, BUNDLED, "es", fallback=fallback)


def test_the_model_unused_for_longest_is_forgotten():
    loaded = []

    def load(model):
        loaded.append(model.version)
        return model

    models = LoadedModels(load, 2)
    for version in (1, 2, 1, 3, 1, 2):
        assert models.get(of_version(version)) == (of_version(version), of_version(version))
    assert loaded == [1, 2, 3, 2]


def test_a_version_that_cannot_be_loaded_gives_way_to_the_one_before_and_is_not_tried_at_every_request():
    tried = []

    def load(model):
        tried.append(model.version)
        if model.version >= 2:
            raise ModelError("broken")
        return model

    models = LoadedModels(load, 2)
    before = of_version(1)
    for _ in range(3):
        assert models.get(of_version(2, before)) == (before, before)
    assert tried == [2, 1]
    assert models.get(of_version(5, of_version(2, before))) == (before, before), "two broken ones in a row"
    with pytest.raises(ModelError):
        models.get(of_version(3))
    with pytest.raises(ModelError):
        models.get(of_version(4, of_version(3)))


def test_a_recording_and_a_stream_are_answered_by_the_version_before_a_broken_one(answered, tmp_path):
    broken = ServedModel("es-demo", 3, tmp_path, "es", fallback=ES)
    (done,) = answered(FileJob(1, wav(speech()), broken))
    assert (done.model, done.transcripts[0].text) == (ES, SENTENCE)
    (opened,) = answered(OpenStream(2, broken, RawFormat("linear16", 16_000, 1)))
    assert opened.model == ES


def test_spelling_tells_languages_apart_and_knows_none_where_it_has_no_words():
    spanish, english = ["buenos", "días", "mañana"], ["the", "through", "weather"]
    assert spelling(spanish, "es") > spelling(english, "es")
    assert spelling(english, "en") > spelling(spanish, "en")
    assert spelling(spanish, "es-419") == spelling(spanish, "es")
    assert spelling(spanish, "xx") == 0.0


def test_the_language_is_the_one_with_the_most_evidence(models):
    heard = [evidence(models.get(model)[0], speech(), model.language) for model in (EN, ES)]
    chosen, share = choose((EN, ES), heard)
    assert chosen is ES and 0.5 < share <= 1
    assert choose((EN, ES), [evidence(models.get(EN)[0], np.zeros(0, np.float32), "en")] * 2)[1] == 0.5
    assert isinstance(models.get(ES)[0], Recognizer)


def test_late_orders_are_told_of_and_slow_partial_results(models):
    pause = np.zeros(16_000, np.float32)
    blocks = np.array_split(np.concatenate([speech(), speech(), speech(), pause]), 60)

    def partials(late_seconds):
        reports = []
        worker = Worker(models, None, reports.extend)
        worker.execute([OpenStream(1, ES, RawFormat("linear16", 16_000, 1), partials=True, partial_seconds=0.1)])
        for block in blocks:
            sent_at = time.monotonic() - late_seconds
            worker.execute([StreamOrder(1, "audio", linear16(block), sent_at=sent_at)])
        events = [event for report in reports[1:] for event in report.events]
        assert abs(reports[-1].late_seconds - late_seconds) < 0.2 * late_seconds + 0.2
        finals = [word.text for event in events if event.kind == "final" for word in event.words]
        return sum(event.kind == "partial" for event in events), finals

    (in_time, words), (late, late_words) = partials(0.0), partials(5.0)
    assert late_words == words
    assert 0 < late < in_time


def test_orders_of_different_streams_are_taken_together():
    waiting = StreamQueue()
    ids = [1, 2, 3, 2, 1, *range(10, 210)]
    for id_ in ids:
        waiting.put(StreamOrder(id_, "audio"))
    taken = []
    while sum(map(len, taken)) < len(ids):
        taken.append([order.id for order in waiting.take()])
    assert [id_ for orders in taken for id_ in orders] == ids
    assert taken[0] == [1, 2, 3] and len(taken[1]) == MOST_ORDERS
    assert all(len(set(orders)) == len(orders) for orders in taken)


def test_streams_that_wait_are_answered_one_by_one_and_a_refused_one_alone(models):
    reports = []
    worker = Worker(models, None, reports.extend)
    raw = RawFormat("linear16", 16_000, 1)
    worker.execute([OpenStream(1, ES, raw), OpenStream(2, ES, None), OpenStream(3, ES, raw)])
    noise = bytes(3200)
    said = linear16(np.concatenate([speech(), np.zeros(16_000, np.float32)]))
    worker.execute([StreamOrder(1, "audio", said), StreamOrder(2, "audio", noise), StreamOrder(3, "audio", said)])
    assert sorted(report.id for report in reports) == [1, 1, 2, 2, 3, 3]
    assert [type(report) for report in reports if report.id == 2][1] is Failed
    texts = [[w.text for e in r.events for w in e.words if e.kind == "final"] for r in reports[3:] if r.id != 2]
    assert texts[0] == texts[1] and alike(" ".join(texts[0]), SENTENCE)


@pytest.mark.skipif(importlib.util.find_spec("resemblyzer") is None, reason="the extra `speakers` is not installed")
def test_a_voice_that_comes_with_a_recording_is_told_by_its_number(answered):
    (done,) = answered(FileJob(1, wav(speech()), ES, speakers=True, voices=(wav(speech("la casa es grande")),)))
    assert {word.speaker for word in done.transcripts[0].words} == {1}
    for broken in (b"no audio", wav(speech()[:8000]), wav(np.tile(speech(), 20))):
        (failed,) = answered(FileJob(1, wav(speech()), ES, speakers=True, voices=(broken,)))
        assert isinstance(failed, Failed) and failed.refusal.parameter == "known_speaker_references"
        assert failed.refusal.status == 400
