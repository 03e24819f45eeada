"""Whisper in CTranslate2 writes what the official classes write, and neither loops nor invents."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_whisper import lean, save, tiny_model, tiny_tokenizer, tiny_whisper
from tones import tone_speech
from transformers import WhisperForConditionalGeneration

from vizinho.audio.io import load_audio
from vizinho.audio.whisper_mel import WhisperMel
from vizinho.decoding.setup import DecoderSpec
from vizinho.errors import ModelError, SpecError
from vizinho.model.checkpoint import load_checkpoint
from vizinho.model.frontends import MARGIN, WINDOWS
from vizinho.model.whisper import TOKENS_AT_LEAST, TOKENS_PER_SECOND
from vizinho.model.whisper_silence import AFTER, STRIDE
from vizinho.recognition.engines import WordsEngine, torch_engine
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.stream import Final, Partial, StreamSession
from vizinho.recognition.whisper import CTranslate2Engine, WhisperOptions
from vizinho.recognition.whisper_encoder import PooledEncoder
from vizinho.recognition.whisper_guards import Draft, Guards, best, compression, fault, is_silence, unrepeated
from vizinho.recognition.whisper_torch import TorchWhisper

OFF = Guards(least_speech=None, most_compression=None, least_log_prob=None, most_no_speech=None, tokens_per_second=None)
PLAIN = WhisperOptions(beam_size=1, temperatures=(), pooled=False, guards=OFF)
"""Greedy, in whole windows, without guards: what the official `generate` does."""
ASTURIAN = 2
"""Which of `folders` writes a language that Whisper never had."""


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0.0, 0.1, round(seconds * 16_000)).astype(np.float32)


NOISES = [noise(seconds, seed) for seed, seconds in enumerate((0.5, 1.7, 3.0, 6.2))]


def load(folder, options=PLAIN, **how):
    return CTranslate2Engine.load(folder, **{"compute_type": "float32", "options": options} | how)


def texts(engine, waveforms):
    return [" ".join(word.text for word in words) for words in engine.words(waveforms)]


def brief(tokenizer, seed, scale=2.0):
    """A network whose texts end by themselves after some tokens."""
    model = tiny_model(tokenizer, seed, scale)
    lean(model, tokenizer, "<|endoftext|>", 8.0)
    return model


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home for the module, so that each model is converted once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _home(home, monkeypatch):
    monkeypatch.setenv("VIZINHO_HOME", str(home))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders with their networks and tokenisers; the last has a language of its own after the timestamps."""
    result = []
    for seed, late in ((0, ()), (3, ()), (4, ("ast",))):
        tokenizer = tiny_tokenizer(late=late)
        model = brief(tokenizer, seed) if seed == 0 else tiny_model(tokenizer, seed)
        folder = tmp_path_factory.mktemp("tiny")
        result.append((save(folder, model, tokenizer, language="ast" if late else "pt"), model, tokenizer))
    return result


@pytest.fixture(scope="module")
def loops(tmp_path_factory):
    """A network that repeats itself without end."""
    return tiny_whisper(tmp_path_factory.mktemp("loops"), seed=5, scale=2.0, language="pt")


def official(model, tokenizer, features, language, **how):
    how |= {"task": "transcribe", "num_beams": 1, "do_sample": False, "max_new_tokens": 224}
    made = model.generate(torch.from_numpy(features)[None], language=language, **how)
    return " ".join(tokenizer.decode(made[0], skip_special_tokens=True).replace("�", "").split())


@pytest.mark.parametrize("number", [0, 1, ASTURIAN])
def test_texts_are_those_of_the_official_class(models, number):
    folder, model, tokenizer = models[number]
    language = "ast" if number == ASTURIAN else "pt"
    if number == ASTURIAN:  # the official class knows a language by its settings, here by the code itself
        row = tokenizer.convert_tokens_to_ids("<|ast|>")
        assert row == len(tokenizer) - 1
        model.generation_config.lang_to_id = dict(model.generation_config.lang_to_id) | {"ast": row}
    expected = [official(model, tokenizer, WhisperMel()(samples), language) for samples in NOISES]
    assert texts(load(folder), NOISES) == expected
    assert all(expected)


def test_a_late_language_is_limited_and_scored_as_others_are(tmp_path):
    """CTranslate2 takes the rest of its prompt for text; the guards must not."""
    tokenizer = tiny_tokenizer(late=("ast",))
    model = brief(tokenizer, 0)
    rows = model.model.decoder.embed_tokens.weight.data
    rows[tokenizer.convert_tokens_to_ids("<|ast|>")] = rows[tokenizer.convert_tokens_to_ids("<|es|>")]
    engine = load(save(tmp_path / "m", model, tokenizer))
    encoded = engine._encode([WhisperMel()(samples) for samples in NOISES], [30.0] * len(NOISES))
    late, early = (
        engine._drafts(encoded, [engine._tokens.language(code)] * len(NOISES), [30.0] * len(NOISES))
        for code in ("ast", "es")
    )
    for a, b in zip(late, early, strict=True):
        assert (a.tokens, a.is_cut) == (b.tokens, b.is_cut)
        assert a.log_prob == pytest.approx(b.log_prob, abs=1e-3)


def test_hotwords_are_read_before_the_text_as_official_prompts_are(models):
    folder, model, tokenizer = models[0]
    plain, prompted = load(folder), load(folder, replace(PLAIN, hotwords=("casa", "as")))
    before = tokenizer(" casa, as", add_special_tokens=False)["input_ids"]
    prompt = torch.tensor([tokenizer.convert_tokens_to_ids("<|startofprev|>"), *before])
    expected = [official(model, tokenizer, WhisperMel()(s), "pt", prompt_ids=prompt) for s in NOISES]
    # The official class returns the prompt with the text.
    expected = [text.removeprefix("casa, as").strip() for text in expected]
    assert texts(prompted, NOISES) == expected != texts(plain, NOISES)


def test_many_hotwords_leave_room_for_the_text(models):
    words = tuple(f"palavra{n}" for n in range(400))
    assert texts(load(models[0][0], replace(PLAIN, hotwords=words)), NOISES[:1])[0]


@pytest.mark.parametrize("beam_size", [1, 4])
def test_an_utterance_is_written_alike_alone_and_in_a_batch(models, beam_size):
    engine = load(models[0][0], replace(PLAIN, beam_size=beam_size))
    together = engine.words(NOISES)
    for words, samples in zip(together, NOISES, strict=True):
        (alone,) = engine.words([samples])
        assert [w.text for w in alone] == [w.text for w in words]
        np.testing.assert_allclose([w.confidence for w in alone], [w.confidence for w in words], atol=1e-3)


def test_it_is_a_words_engine(models):
    engine = load(models[0][0])
    assert isinstance(engine, WordsEngine)
    assert engine.max_seconds == 30.0


# The silence after the speech.


def test_pooled_silence_is_that_of_the_training_loop(models):
    """Against the torch engine, whose network computes the silence at the same places."""
    folder = models[0][0]
    waveforms = [noise(seconds, 3) for seconds in (0.3, 1.79, 1.81, 5.0, 23.9, 29.9)]
    expected = texts(torch_engine(load_checkpoint(folder)), waveforms)
    made = texts(load(folder, replace(PLAIN, pooled=True)), waveforms)
    # The training loop ends what is too long, which is no fault where guards are off.
    assert [text[: len(short)] for text, short in zip(made, expected, strict=True)] == expected
    assert all(expected)


def test_the_encoder_is_the_same_whatever_the_decoder_is_rounded_to(models):
    features = [WhisperMel()(samples) for samples in NOISES]
    first, second = (load(models[0][0], compute_type=kind)._encode(features, [1.0] * 4) for kind in ("int8", "float32"))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("seconds", [0.1, 1.8, 1.801, 7.0, 23.8, 23.81, 30.0])
def test_every_position_of_a_window_is_computed_or_stood_for(seconds):
    silence = {"windows": WINDOWS, "margin": MARGIN, "stride": STRIDE, "after": AFTER}
    layout = PooledEncoder(None, silence, 1500).positions(seconds)
    assert layout.times.sum() == 1500
    assert layout.frames <= 3000
    assert layout.source.max() < layout.frames // 2
    full = int((layout.source == layout.places).sum())  # those of the speech, and silence of their own after it
    assert full / 50 >= min(30.0, seconds + MARGIN)
    for place, times in zip(layout.places, layout.times, strict=True):
        assert abs(times - (1 if place < full else STRIDE)) <= 2
    assert np.exp(layout.bias).sum() == pytest.approx(1500, rel=1e-4)


def test_a_large_encoder_is_left_to_ctranslate2(tmp_path, monkeypatch):
    monkeypatch.setattr("vizinho.recognition.whisper_export._LARGEST_ENCODER", 1000)
    folder = tiny_whisper(tmp_path / "m", seed=6, language="pt")
    assert texts(load(folder, replace(PLAIN, pooled=True)), NOISES) == texts(load(folder), NOISES)


# Languages.


def test_the_argument_goes_before_the_settings_and_these_before_what_is_heard(tmp_path):
    tokenizer = tiny_tokenizer()
    model = brief(tokenizer, 0)
    silent_about_it = save(tmp_path / "a", model, tokenizer)
    named = save(tmp_path / "b", model, tokenizer, language="es")
    by_code = {code: texts(load(silent_about_it, language=code), NOISES) for code in ("en", "es", "pt")}
    assert by_code["es"] != by_code["pt"] != by_code["en"]
    assert texts(load(named), NOISES) == by_code["es"]
    assert texts(load(named, language="pt-BR"), NOISES) == by_code["pt"]
    lean(model, tokenizer, "<|pt|>", 60.0)
    hears_portuguese = save(tmp_path / "c", model, tokenizer)
    assert texts(load(hears_portuguese), NOISES) == texts(load(hears_portuguese, language="pt"), NOISES)


def test_languages_are_heard_for_each_waveform(tmp_path):
    """The likeliest of the language tokens, by the official class's own forward pass."""
    tokenizer = tiny_tokenizer()
    model = brief(tokenizer, 1, 6.0)
    engine = load(save(tmp_path / "m", model, tokenizer))
    detected = model.detect_language(torch.from_numpy(np.stack([WhisperMel()(s) for s in NOISES])))
    codes = [tokenizer.decode([row]).strip("<|>") for row in detected]
    by_code = {code: texts(load(tmp_path / "m", language=code), NOISES) for code in set(codes)}
    assert texts(engine, NOISES) == [by_code[code][i] for i, code in enumerate(codes)]


def test_the_name_of_a_language_that_fine_tuning_scripts_write_is_understood(tmp_path):
    tokenizer = tiny_tokenizer()
    folder = save(tmp_path / "m", brief(tokenizer, 0), tokenizer, language="portuguese")
    assert texts(load(folder), NOISES) == texts(load(folder, language="pt"), NOISES)


def test_a_language_without_a_token_is_refused_with_those_there_are(models):
    with pytest.raises(SpecError, match=r"no token for the language 'gd' -> it has en, es, pt"):
        load(models[0][0], language="gd")


def test_a_model_of_english_alone_has_no_language_in_its_prompt(tmp_path):
    tokenizer = tiny_tokenizer()
    model = brief(tokenizer, 0)
    model.generation_config.is_multilingual = False
    del model.generation_config.lang_to_id, model.generation_config.task_to_id
    folder = save(tmp_path / "m", model, tokenizer)
    expected = [
        " ".join(
            tokenizer.decode(
                model.generate(torch.from_numpy(WhisperMel()(s))[None], max_new_tokens=224)[0], skip_special_tokens=True
            ).replace("�", "").split()
        )
        for s in NOISES
    ]  # fmt: skip
    assert texts(load(folder), NOISES) == texts(load(folder, language="en"), NOISES) == expected
    with pytest.raises(SpecError, match="English alone"):
        load(folder, language="pt")


# Words.


@settings(max_examples=15)
@given(seconds=st.floats(0.001, 30.0), seed=st.integers(0, 100), number=st.integers(0, 2))
def test_times_follow_each_other_within_the_waveform(models, seconds, seed, number):
    (words,) = load(models[number][0]).words([noise(seconds, seed)])
    times = [t for w in words for t in (w.start_seconds, w.end_seconds)]
    assert times == sorted(times)
    assert all(0.0 <= t <= seconds for t in times)
    assert all(0.0 <= w.confidence <= 1.0 for w in words)
    assert all(w.text and not w.text.isspace() for w in words)


def test_nothing_is_written_for_no_audio_and_something_for_one_sample(models):
    engine = load(models[0][0])
    assert engine.words([]) == []
    assert engine.words([np.zeros(0, np.float32), NOISES[0]])[0] == []
    engine.words([np.zeros(1, np.float32)])


# Guards.

GOOD = Draft((1, 2), "a casa", -0.2, 0.1)


@pytest.mark.parametrize(
    ("draft", "what"),
    [
        (GOOD, ""),
        (replace(GOOD, is_cut=True), "too long"),
        (replace(GOOD, text="na na " * 30), "repeats itself"),
        (replace(GOOD, log_prob=-1.2), ""),
    ],
)
def test_faults(draft, what):
    assert fault(draft, Guards()) == what
    assert fault(replace(draft, is_cut=False), OFF) == ""


def test_unlikely_texts_are_a_fault_where_that_is_wanted():
    assert fault(replace(GOOD, log_prob=-1.2), Guards(redraft_below=-1.0)) == "unlikely"


def test_silence_is_where_the_network_hears_none_and_guesses():
    guess = replace(GOOD, no_speech=0.7, log_prob=-1.2)
    assert is_silence(guess, Guards())
    assert not is_silence(replace(guess, log_prob=-0.3), Guards())
    assert not is_silence(replace(guess, no_speech=0.5), Guards())
    assert not is_silence(guess, replace(Guards(), most_no_speech=None))


def test_of_faulty_texts_the_best_is_taken():
    loop = Draft((1, 2, 3, 2, 3, 2, 3, 2), "na na " * 40, -0.01, 0.1)
    unlikely = replace(GOOD, log_prob=-2.0)
    guards = Guards(redraft_below=-1.0)
    assert best([loop, unlikely, replace(unlikely, log_prob=-1.5)], guards).log_prob == -1.5
    assert best([loop, replace(loop, text="na na " * 80)], guards).tokens == (1, 2, 3, 2)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((), ()),
        ((1, 1), (1, 1)),
        ((1, 1, 1), (1,)),
        ((5, 1, 2, 1, 2, 1, 2), (5, 1, 2)),
        ((1, 2, 1, 2), (1, 2, 1, 2)),
        ((1, 1, 1, 5), (1, 5)),
        ((5, 1, 2, 1, 2, 1, 2, 1), (5, 1, 2, 1)),
    ],
)
def test_a_loop_is_said_once(tokens, expected):
    assert unrepeated(tokens) == expected


@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(3, 9))
def test_a_loop_is_shortened_and_no_token_lost(before, group, times):
    tokens = (*before, *group * times)
    left = unrepeated(tokens)
    assert len(left) < len(tokens)
    assert set(left) == {*before, *group}


def test_a_loop_is_said_once_where_nothing_is_drafted_again(loops):
    without = texts(load(loops), NOISES)
    assert min(compression(text) for text in without) > 2.4
    with_guard = texts(load(loops, replace(PLAIN, guards=replace(OFF, most_compression=2.4))), NOISES)
    assert all(len(short) < len(long) / 3 for short, long in zip(with_guard, without, strict=True))


def test_temperatures_find_another_text_than_the_loop(loops):
    guards = replace(OFF, most_compression=2.4)
    drafted = texts(load(loops, WhisperOptions(1, (1.0,), guards=guards)), NOISES)
    assert all(len(text) > 30 for text in drafted), drafted  # the loop said once is a few letters
    assert max(map(compression, drafted)) <= 2.4


def test_more_tokens_than_anybody_says_are_not_written(loops):
    guards = replace(OFF, tokens_per_second=20.0)
    short, long = (load(loops, replace(PLAIN, guards=g)) for g in (guards, OFF))
    limit = guards.limit(0.5, 224)
    assert limit == TOKENS_AT_LEAST + TOKENS_PER_SECOND * 0.5  # as the training loop scores
    assert len(texts(long, NOISES[:1])[0]) > 2 * limit
    assert len(texts(short, NOISES[:1])[0]) <= 2 * limit


def test_guesses_into_silence_are_not_written(tmp_path, models):
    guards = replace(OFF, most_no_speech=0.0, least_log_prob=-1.5)  # a tiny network never hears silence
    unsure = tiny_whisper(tmp_path / "m", seed=0, scale=0.5, language="pt")
    assert all(texts(load(unsure), NOISES))
    assert not any(texts(load(unsure, replace(PLAIN, guards=guards)), NOISES))
    sure = models[0][0]
    assert texts(load(sure, replace(PLAIN, guards=guards)), NOISES) == texts(load(sure), NOISES)


def test_where_nobody_speaks_nothing_is_decoded(loops):
    guards = replace(OFF, least_speech=0.2)
    assert not any(texts(load(loops, replace(PLAIN, guards=guards)), [*NOISES, np.zeros(160_000, np.float32)]))


def test_people_speak_says_the_detector(loops, shared):
    guards = replace(OFF, least_speech=0.2)
    clips = [load_audio(file) for file in sorted((shared / "speech" / "pt").glob("*.opus"))[::40]]
    assert all(texts(load(loops, replace(PLAIN, guards=guards)), clips))


def test_what_is_drawn_for_an_utterance_depends_on_it_alone(loops):
    options = WhisperOptions(1, (1.0,), guards=replace(OFF, most_compression=2.4))
    first, second = load(loops, options), load(loops, options)
    expected = texts(first, NOISES)
    assert [texts(second, [samples])[0] for samples in reversed(NOISES)] == expected[::-1]
    assert texts(first, NOISES) == expected


# Folders.


def test_a_converted_model_is_found_again(models, home, monkeypatch):
    load(models[0][0])
    monkeypatch.setattr("vizinho.recognition.cache._make", None)  # nothing is converted a second time
    assert texts(load(models[0][0]), NOISES)


def test_where_nothing_can_be_stored_it_is_converted_for_the_process(models, loops, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("a home that is no folder")
    options = WhisperOptions(1, (1.0,), guards=replace(OFF, most_compression=2.4))
    expected = texts(load(loops, options), NOISES)
    monkeypatch.setenv("VIZINHO_HOME", str(blocked / "home"))
    # Another network is opened from the same files for drawing, when the folder is gone.
    assert texts(load(loops, options), NOISES) == expected


def test_a_damaged_conversion_is_made_again(tmp_path, home):
    folder = tiny_whisper(tmp_path / "m", seed=9, language="pt")
    before = set((home / "exports").iterdir()) if (home / "exports").is_dir() else set()
    expected = texts(load(folder), NOISES)
    (place,) = set((home / "exports").iterdir()) - before
    (place / "model.bin").write_bytes(b"half")
    assert texts(load(folder), NOISES) == expected


def test_several_processes_may_convert_at_once(tmp_path):
    folder = tiny_whisper(tmp_path / "m", seed=8, language="pt")
    code = (
        "import sys; from pathlib import Path; from vizinho.recognition.whisper import CTranslate2Engine;"
        "CTranslate2Engine.load(Path(sys.argv[1]));"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    environment = os.environ | {"VIZINHO_HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(folder)], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate()[1] for process in running] == ["", ""]
    assert len([p for p in (tmp_path / "home" / "exports").iterdir() if not p.name.startswith(".")]) == 1


def without_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def half_written(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def a_pointer(folder):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def of_another_size(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"decoder_layers": 3}))


def an_adapter(folder):
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text("{}")


@pytest.mark.parametrize("harm", [without_tokenizer, half_written, a_pointer, of_another_size, an_adapter])
def test_broken_folders_are_refused_in_one_line(loops, tmp_path, harm):
    folder = Path(shutil.copytree(loops, tmp_path / "m"))
    harm(folder)
    with pytest.raises(ModelError, match=str(folder)) as refusal:
        load(folder)
    assert "\n" not in str(refusal.value) and "->" in str(refusal.value)


def test_a_conversion_can_be_read_as_a_model(models, tmp_path):
    from vizinho.recognition.whisper_export import export

    export(models[0][0], tmp_path / "out", "float32")
    assert texts(load(tmp_path / "out"), NOISES) == texts(load(models[0][0]), NOISES)


# Through the recogniser.


def test_a_recogniser_opens_a_whisper_in_ctranslate2(models, tmp_path):
    from vizinho.recognition.whisper_export import export

    folder = models[0][0]
    export(folder, tmp_path / "out")
    for place in (folder, tmp_path / "out"):
        assert isinstance(Recognizer.load(place, language="es").engine, CTranslate2Engine)
    with pytest.raises(SpecError, match="no token"):
        Recognizer.load(folder, language="gd")
    with pytest.raises(SpecError, match="no log-probabilities"):
        Recognizer.load(folder, search=DecoderSpec())


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


# The real one.


@pytest.fixture(scope="module")
def whisper():
    folder = os.environ.get("VIZINHO_WHISPER")
    if not folder:
        pytest.skip("set VIZINHO_WHISPER to the folder that ../shared/donors/whisper_base.py writes")
    return Path(folder)


def test_whisper_base_reads_portuguese(whisper, shared):
    row = next(r for r in map(json.loads, (shared / "speech" / "pt_read.jsonl").open()) if r["split"] == "dev")
    samples = load_audio(shared / "speech" / row["audio"])[: 8 * 16_000]
    silence = np.zeros(2 * 16_000, np.float32)
    (words,) = CTranslate2Engine.load(whisper, language="pt").words([np.concatenate([silence, samples])])
    assert " ".join(w.text for w in words).lower().startswith("para se distrair e dar um pouco de")
    assert words[0].start_seconds == pytest.approx(2.0, abs=0.3)
    assert all(word.end_seconds > word.start_seconds for word in words)
    assert CTranslate2Engine.load(whisper).words([silence, noise(20)]) == [[], []]


def test_whisper_base_writes_a_live_stream_as_a_recording(whisper, shared):
    row = next(r for r in map(json.loads, (shared / "speech" / "pt_read.jsonl").open()) if r["split"] == "dev")
    samples = np.concatenate([load_audio(shared / "speech" / row["audio"]), np.zeros(16_000, np.float32)])
    recognizer = Recognizer(CTranslate2Engine.load(whisper, language="pt"))
    finals = [event for event in streamed(recognizer, samples) if isinstance(event, Final)]
    assert len(finals) >= 3 and not finals[0].speech_final  # words are final while the speech goes on
    text, whole = " ".join(event.text for event in finals if event.text), recognizer.transcribe(samples).text
    assert SequenceMatcher(None, text.lower(), whole.lower(), autojunk=False).ratio() > 0.95


@pytest.mark.parametrize("late", [False, True])
def test_whisper_base_on_single_words(whisper, shared, tmp_path, late):
    """A language whose token comes after the times is written as the one whose row it has."""
    clips = [load_audio(file) for file in sorted((shared / "speech" / "words" / "es").glob("*.opus"))[:40:10]]
    options = WhisperOptions(beam_size=2)
    expected = texts(CTranslate2Engine.load(whisper, language="es", options=options), clips)
    assert all(expected)
    if late:
        folder = with_late_language(whisper, tmp_path / "ast", "ast", like="es")
        assert texts(CTranslate2Engine.load(folder, options=options), clips) == expected


def with_late_language(whisper, out, code, like):
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    model, processor = (
        WhisperForConditionalGeneration.from_pretrained(whisper),
        WhisperProcessor.from_pretrained(whisper),
    )
    processor.tokenizer.add_tokens([f"<|{code}|>"], special_tokens=True)
    row, of = (processor.tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in (code, like))
    model.resize_token_embeddings(len(processor.tokenizer), mean_resizing=False)
    with torch.no_grad():
        model.model.decoder.embed_tokens.weight[row] = model.model.decoder.embed_tokens.weight[of]
    model.generation_config.lang_to_id[f"<|{code}|>"] = row
    model.generation_config.language = code
    model.save_pretrained(out)
    processor.save_pretrained(out)
    return out


def test_the_encoder_that_is_written_is_the_folders_own(tmp_path):
    # CTranslate2's converter changes the weights it is given; a graph written after it would compute with those.
    folder = tiny_whisper(tmp_path / "model", seed=3)
    engine = CTranslate2Engine.load(folder, language="pt", compute_type="int8")
    samples = tone_speech("abc de fgh")
    features = engine._mel(samples, engine.max_seconds)
    official = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = official.model.encoder(torch.from_numpy(features)[None]).last_hidden_state.numpy()
    whole = engine._encoder(features, engine.max_seconds)
    assert np.allclose(whole, expected, atol=1e-4)
