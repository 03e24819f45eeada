"""Practice speech: the same arguments give the same corpus, its splits share nothing, and it can be interrupted."""

from __future__ import annotations

import json
import os
import signal
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from vizinho.audio.io import Waveform, load_audio
from vizinho.cli.main import app
from vizinho.corpora.manifest import read_manifest
from vizinho.corpora.synthetic import frequent_words, phrase_book, practice_corpus
from vizinho.errors import CorpusError, SpecError, VizinhoError
from vizinho.g2p.espeak import HELD_OUT_VARIANTS, TRAIN_VARIANTS, Voice, _interrupt_after, synthesise
from vizinho.text.alphabets import alphabet
from vizinho.text.normalize import get_normalizer

pytest.importorskip("espeakng_loader", reason="the optional extra 'speak' is not installed")
MINUTES = 1.5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return practice_corpus("pt", MINUTES, tmp_path_factory.mktemp("pt"), seed=5)


def test_the_manifest_tells_the_truth_about_every_recording(corpus: Path) -> None:
    utterances = read_manifest(corpus)
    assert sum(u.duration_seconds for u in utterances) == pytest.approx(MINUTES * 60, abs=15)
    for u in utterances:
        info = soundfile.info(u.audio)
        assert (info.samplerate, info.channels, info.format) == (16_000, 1, "FLAC")
        assert info.duration == pytest.approx(u.duration_seconds, abs=1e-3)
        samples = load_audio(u.audio)
        assert 0.25 < float(np.abs(samples).max()) < 0.95
        assert get_normalizer("pt")(u.text) and u.lang == "pt"
        assert (u.source, u.licence, u.consent) == ("eSpeak NG", "synthesised", "not needed: nobody speaks")


def test_splits_share_neither_texts_nor_voices(corpus: Path) -> None:
    normalize = get_normalizer("pt")
    texts, voices, minutes = defaultdict(set), defaultdict(set), defaultdict(float)
    for u in read_manifest(corpus):
        texts[u.split].add(normalize(u.text))
        voices[u.split].add(u.speaker.partition("+")[2].rpartition("-")[0])
        minutes[u.split] += u.duration_seconds / 60
    assert set(texts) == {"train", "dev", "test"}
    for a, b in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert not texts[a] & texts[b] and not voices[a] & voices[b]
    assert voices["train"] <= set(TRAIN_VARIANTS) and voices["dev"] | voices["test"] <= set(HELD_OUT_VARIANTS)
    assert minutes["train"] == pytest.approx(0.8 * MINUTES, abs=0.15)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_corpus(corpus: Path, tmp_path: Path) -> None:
    again = practice_corpus("pt", MINUTES, tmp_path / "again", seed=5)
    assert again.read_bytes() == corpus.read_bytes()
    assert _audio(again) == _audio(corpus)
    other = practice_corpus("pt", MINUTES / 3, tmp_path / "other", seed=6)
    assert not {u.text for u in read_manifest(other)} <= {u.text for u in read_manifest(corpus)}


def test_an_interrupted_corpus_goes_on_where_it_stopped(corpus: Path, tmp_path: Path) -> None:
    def stop(done_minutes: float, _note: str = "") -> None:
        stop.total += done_minutes  # type: ignore[attr-defined]
        if stop.total > MINUTES / 2:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    stop.total = 0.0  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        practice_corpus("pt", MINUTES, tmp_path, seed=5, progress=stop)
    assert not (tmp_path / "pt.jsonl").exists()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.flac")}
    assert len(kept) > 10
    whole = practice_corpus("pt", MINUTES, tmp_path, seed=5)
    assert whole.read_bytes() == corpus.read_bytes() and _audio(whole) == _audio(corpus)
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())


def test_more_minutes_later_keep_what_is_there(tmp_path: Path) -> None:
    few = read_manifest(practice_corpus("pt", 0.5, tmp_path, seed=2))
    more = {u.id: u for u in read_manifest(practice_corpus("pt", 1.0, tmp_path, seed=2))}
    assert all(more[u.id] == u for u in few) and len(more) > len(few)


def test_kept_recordings_are_not_taken_for_those_of_other_sentences(tmp_path: Path) -> None:
    practice_corpus("pt", 0.2, tmp_path, seed=2)
    with pytest.raises(CorpusError, match="recordings of other sentences"):
        practice_corpus("pt", 0.2, tmp_path, seed=2, sentences=["o gato dorme"])
    practice_corpus("pt", 0.2, tmp_path, seed=3, sentences=["o gato dorme"])


def test_own_sentences_are_spoken_and_spellings_of_one_text_stay_in_one_split(tmp_path: Path) -> None:
    own = [f"{word} {sign}" for word in ("Zebra", "Girafa", "Quati", "Tatu", "Jacaré", "Onça") for sign in "!?.,;"]
    utterances = read_manifest(practice_corpus("pt", 4.0, tmp_path, seed=1, sentences=own))
    assert set(own) & {u.text for u in utterances}
    assert not {u.text for u in utterances} & set(phrase_book("pt"))
    homes = defaultdict(set)
    for u in utterances:
        homes[get_normalizer("pt")(u.text)].add(u.split)
    assert {text for text, splits in homes.items() if len(splits) > 1} == set()


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
def test_minutes_must_be_a_positive_number(minutes: float, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="minutes were asked for"):
        practice_corpus("pt", minutes, tmp_path)
    done = CliRunner().invoke(app, ["corpus", "speak", "pt", "--minutes", str(minutes), "--out", str(tmp_path)])
    assert isinstance(done.exception, CorpusError) or done.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_a_language_without_voice_or_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no voice for language 'tlh'"):
        practice_corpus("tlh", 1, tmp_path)
    with pytest.raises(CorpusError, match="too few words of 'mwl'"):
        practice_corpus("mwl", 1, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("language", "voices"), [("fr", {"fr"}), ("qu", {"qu"}), ("gl", {"pt", "es-419"}), ("th", {"th"})]
)
def test_without_a_phrase_book_sample_sentences_are_spoken(tmp_path: Path, language: str, voices: set[str]) -> None:
    utterances = read_manifest(practice_corpus(language, 0.4, tmp_path))
    assert {u.accent for u in utterances} <= voices and {u.split for u in utterances} == {"train", "dev", "test"}


def test_text_of_a_language_without_a_list_gives_its_words(tmp_path: Path) -> None:
    words = [
        a + b for a in ("lhin", "fal", "cun", "tier", "mie", "houm") for b in ("gua", "ar", "ta", "ra", "ga", "es")
    ]
    sentences = [" ".join(words[i : i + 3]) for i in range(len(words) - 2)]
    utterances = read_manifest(practice_corpus("mwl", 0.4, tmp_path, sentences=sentences, like=["pt"]))
    assert {word for u in utterances for word in u.text.split()} <= set(words)
    assert {u.accent for u in utterances} == {"pt-br"}


def test_what_can_be_spoken_is_listed() -> None:
    done = CliRunner().invoke(app, ["corpus", "speak", "--list"])
    assert done.exit_code == 0
    assert "Galician" in done.output and "124 languages" in done.output
    with pytest.raises(SpecError, match="LANGUAGE is missing"):
        app(["corpus", "speak"], standalone_mode=False)


def test_a_voice_that_stays_silent_ends_in_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def speak(_text: str, voice: Voice) -> Waveform:
        return synthesise("...", voice)  # which no voice says aloud

    monkeypatch.setattr("vizinho.corpora.synthetic.synthesise", speak)
    with pytest.raises(VizinhoError, match="silence"):
        practice_corpus("pt", 0.1, tmp_path)


def test_a_sentence_that_takes_minutes_to_say_is_left_out(tmp_path: Path) -> None:
    words = [a + b + c for a in "bcdfg" for b in "aeio" for c in ("la", "ro", "te")]
    sentences = [*(" ".join(words[i : i + 4]) for i in range(len(words) - 3)), " ".join(words * 8)]
    utterances = read_manifest(practice_corpus("pt", 1.0, tmp_path, sentences=sentences))
    assert max(u.duration_seconds for u in utterances) < 60


def test_a_text_without_words_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vizinho.corpora.synthetic.frequent_words", lambda *_: ["..."])
    with pytest.raises(VizinhoError, match="too few words"):
        practice_corpus("pt", 0.1, tmp_path, sentences=["..."])


@pytest.mark.parametrize("language", ["pt", "es", "en"])
def test_the_phrase_book_is_clean_and_covers_the_alphabet(language: str) -> None:
    lines, normalize = phrase_book(language), get_normalizer(language)
    texts = [normalize(line) for line in lines]
    assert len(lines) > 250 and len(set(texts)) == len(texts)
    assert not any(c.isdigit() for line in lines for c in line)
    loans = set() if language == "en" else set("kwy")
    rare = {"pt": {"ü"}, "es": set(), "en": set()}[language]
    assert set(alphabet(language)) - loans - rare <= set("".join(texts)), "letters that no sentence has"
    assert set("".join(texts)) <= set(alphabet(language)) | {" "}
    # One-word lines are hashed as they are spelt, the word list in lower case: they must be the same spelling.
    assert all(line == text for line, text in zip(lines, texts, strict=True) if " " not in text)


@pytest.mark.parametrize("language", ["pt", "es", "en", "fr", "ca", "it", "de"])
def test_frequent_words_are_words(language: str) -> None:
    words = frequent_words(language, 500)
    assert len(words) == len(set(words)) == 500
    assert all(word.isalpha() and word == word.lower() for word in words)


def test_the_command_speaks_own_sentences_and_prints_one_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "mine.txt"
    text.write_text("o tatu cava a terra\n\na onça pintada dorme\n", encoding="utf-8")
    arguments = ["corpus", "speak", "pt", "--minutes", "0.3", "--out", str(tmp_path / "out"), "--text", str(text)]
    app([*arguments, "--json"], standalone_mode=False)
    made = json.loads(capsys.readouterr().out)
    assert len(read_manifest(Path(made["manifest"]))) == made["utterances"] > 5
    assert made["minutes"] == pytest.approx(0.3, abs=0.2)


@pytest.mark.parametrize("content", [None, "", "\n \n"])
def test_the_command_names_a_text_file_that_is_missing_or_empty(content: str | None, tmp_path: Path) -> None:
    text = tmp_path / "mine.txt"
    if content is not None:
        text.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"mine\.txt"):
        app(["corpus", "speak", "pt", "--out", str(tmp_path / "o"), "--text", str(text)], standalone_mode=False)
    assert not (tmp_path / "o").exists()


def _audio(manifest: Path) -> dict[str, bytes]:
    return {u.id: u.audio.read_bytes() for u in read_manifest(manifest)}


def test_without_held_out_parts_all_is_train(tmp_path: Path) -> None:
    utterances = read_manifest(practice_corpus("pt", 0.5, tmp_path, held_out=False))
    assert {u.split for u in utterances} == {"train"}
    assert sum(u.duration_seconds for u in utterances) == pytest.approx(30, abs=8)


def test_ctrl_c_while_speech_is_made_comes_after_it() -> None:
    """In the library's callback it would be dropped, and a part of the speech with it."""
    done = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt), _interrupt_after():
            os.kill(os.getpid(), signal.SIGINT)
            done.append(True)
        assert done and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
