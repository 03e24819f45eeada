"""Whisper through the recogniser: prompts, windows, live streams."""

import json
import sys
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
import pytest
from whispers import NOISES, PLAIN, load, noise, texts

from vizinho.audio.io import load_audio
from vizinho.decoding.lm.train import LmOptions, Source, train_language_model
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.setup import DecoderSpec
from vizinho.errors import SpecError
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.stream import Final, Partial, StreamSession
from vizinho.recognition.whisper import CTranslate2Engine, WhisperOptions
from vizinho.recognition.whisper_torch import TorchWhisper
from vizinho.text.normalize import get_normalizer


def test_a_recogniser_opens_a_whisper_in_ctranslate2(models, tmp_path):
    from vizinho.recognition.whisper_export import export

    folder = models[0][0]
    export(folder, tmp_path / "out")
    for place in (folder, tmp_path / "out"):
        assert isinstance(Recognizer.load(place, language="es").engine, CTranslate2Engine)
    with pytest.raises(SpecError, match="no token"):
        Recognizer.load(folder, language="gd")
    with pytest.raises(SpecError, match="no log-probabilities"):
        Recognizer.load(folder, search=DecoderSpec(options=BeamOptions(beam_width=20)))


def test_hotwords_become_a_prompt_and_the_recogniser_without_them_stays(models):
    recognizer = Recognizer.load(models[0][0])
    engine = recognizer.engine
    engine.options = PLAIN
    plain = texts(engine, NOISES)
    favouring = recognizer.searching(DecoderSpec(hotwords={"casa": 2.0, "as": 2.0})).engine
    assert texts(favouring, NOISES) == texts(
        load(models[0][0], replace(PLAIN, hotwords=("casa", "as")), compute_type="int8"), NOISES
    )
    assert texts(engine, NOISES) == plain


def test_language_models_choose_among_the_texts_that_the_network_writes(models, tmp_path):
    engine = load(models[0][0])
    candidates = engine.candidates(NOISES, 6)
    assert all(1 < len(of_one) <= 6 for of_one in candidates)
    assert [of_one[0].text for of_one in candidates] == texts(load(models[0][0], replace(PLAIN, beam_size=6)), NOISES)
    seen = []

    def last(of_one):
        seen.append(of_one)
        return len(of_one) - 1

    normalize = get_normalizer("pt")
    wanted = [of_one[-1].text for of_one in candidates]
    taken = texts(engine.choosing(last, 6), NOISES)
    assert [text.split() for text in taken] == [text.split() for text in wanted]
    assert sorted(map(list, seen)) == sorted(map(list, candidates))
    # A model that knows the words of one candidate alone makes the recogniser write it.
    known = [normalize.recognised(text) for text in wanted]
    assert any(known)
    path = tmp_path / "words.arpa"
    train_language_model(path, [Source("words", [(text, 1) for text in known if text])], LmOptions(), normalize, ())
    spec = DecoderSpec((path,), BeamOptions(lm_weight=500.0, beam_width=6))
    chosen = [normalize.recognised(t.text) for t in Recognizer(engine).searching(spec).transcribe_many(NOISES)]
    assert chosen == [
        max((normalize.recognised(c.text) for c in of_one), key=known.__contains__) for of_one in candidates
    ]


def test_silence_has_no_candidates(models):
    engine = load(models[0][0], WhisperOptions())
    assert engine.candidates([np.zeros(16_000, np.float32)], 4) == [[]]


def test_without_ctranslate2_whisper_is_computed_in_torch_and_says_so(models, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    assert isinstance(Recognizer.load(models[0][0]).engine, TorchWhisper)
    (line,) = caplog.messages
    assert line.endswith("pip install 'vizinho[whisper]' brings CTranslate2")
    assert "\n" not in line


def test_long_audio_is_read_in_full_windows(models):
    """Pieces between pauses share windows; a minute of short utterances is a few windows, not many."""
    recognizer = Recognizer.load(models[0][0])
    sizes = []
    recognizer.engine.words = lambda waveforms: sizes.extend(w.size for w in waveforms) or [[] for _ in waveforms]
    recognizer.options = replace(
        recognizer.options, cutting=replace(recognizer.options.cutting, begin_probability=0.0, hold_probability=0.0)
    )
    recognizer.transcribe(noise(65))
    assert len(sizes) <= 5
    assert max(sizes) <= 30 * 16_000


def streamed(recognizer, samples):
    session = StreamSession(recognizer)
    events = [e for start in range(0, samples.size, 1600) for e in session.accept(samples[start : start + 1600])]
    return [*events, *session.finish()]


def test_a_live_stream_has_interim_and_final_words(loops, shared):
    """Whatever a network writes, its final words go forward, and the last result ends the sentence."""
    file = sorted((shared / "speech" / "pt").glob("*.opus"))[0]
    samples = np.concatenate([*[load_audio(file)] * 3, np.zeros(24_000, np.float32)])
    events = streamed(Recognizer(load(loops, language="pt")), samples)
    finals = [event for event in events if isinstance(event, Final)]
    assert any(isinstance(event, Partial) for event in events)
    assert finals[-1].speech_final and any(event.words for event in finals)
    starts = [word.start_seconds for event in finals for word in event.words]
    assert all(later > before - 0.5 for before, later in pairwise(starts))
    assert all(0 <= start <= samples.size / 16_000 for start in starts)


def test_whisper_base_writes_a_live_stream_as_a_recording(whisper, shared):
    row = next(r for r in map(json.loads, (shared / "speech" / "pt_read.jsonl").open()) if r["split"] == "dev")
    samples = np.concatenate([load_audio(shared / "speech" / row["audio"]), np.zeros(16_000, np.float32)])
    recognizer = Recognizer(CTranslate2Engine.load(whisper, language="pt"))
    finals = [event for event in streamed(recognizer, samples) if isinstance(event, Final)]
    assert len(finals) >= 3 and not finals[0].speech_final  # words are final while the speech goes on
    text, whole = " ".join(event.text for event in finals if event.text), recognizer.transcribe(samples).text
    assert SequenceMatcher(None, text.lower(), whole.lower(), autojunk=False).ratio() > 0.95
