"""Whisper in CTranslate2 writes what the official classes write, in the language that is asked for."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_whisper import lean, save, tiny_tokenizer, tiny_whisper
from tones import tone_speech
from transformers import WhisperForConditionalGeneration
from whispers import NOISES, PLAIN, brief, load, noise, texts

from vizinho.audio.io import load_audio
from vizinho.audio.whisper_mel import WhisperMel
from vizinho.errors import SpecError
from vizinho.model.checkpoint import load_checkpoint
from vizinho.model.frontends import MARGIN, WINDOWS
from vizinho.model.whisper_silence import AFTER, STRIDE
from vizinho.recognition.engines import WordsEngine, torch_engine
from vizinho.recognition.whisper import CTranslate2Engine, WhisperOptions
from vizinho.recognition.whisper_encoder import PooledEncoder

ASTURIAN = 2
"""Which of `folders` writes a language that Whisper never had."""


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
        engine._drafts(encoded, [engine._tokens.language(code)] * len(NOISES), [30.0] * len(NOISES), 1)
        for code in ("ast", "es")
    )
    for (a,), (b,) in zip(late, early, strict=True):
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


def test_whisper_base_reads_portuguese(whisper, shared):
    row = next(r for r in map(json.loads, (shared / "speech" / "pt_read.jsonl").open()) if r["split"] == "dev")
    samples = load_audio(shared / "speech" / row["audio"])[: 8 * 16_000]
    silence = np.zeros(2 * 16_000, np.float32)
    (words,) = CTranslate2Engine.load(whisper, language="pt").words([np.concatenate([silence, samples])])
    assert " ".join(w.text for w in words).lower().startswith("para se distrair e dar um pouco de")
    assert words[0].start_seconds == pytest.approx(2.0, abs=0.3)
    assert all(word.end_seconds > word.start_seconds for word in words)
    assert CTranslate2Engine.load(whisper).words([silence, noise(20)]) == [[], []]


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
