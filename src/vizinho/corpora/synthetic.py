"""Practice speech: a corpus synthesised from the phrase book, frequent words and many voices, in disjoint splits."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from vizinho.audio.augment import add_noise, band_limit
from vizinho.audio.io import SAMPLE_RATE, save_audio, seconds_of
from vizinho.corpora.manifest import claim_folder, write_manifest
from vizinho.errors import AudioError, CorpusError
from vizinho.g2p.espeak import HELD_OUT_VARIANTS, TRAIN_VARIANTS, UnspeakableError, Voice, synthesise
from vizinho.g2p.speaking import Reader, readers_of
from vizinho.g2p.words import frequent_words, is_listed, is_word
from vizinho.progress import Advance, silent
from vizinho.records import Utterance
from vizinho.text.alphabets import sample_sentences
from vizinho.text.normalize import get_normalizer

SINGLE_WORD_SHARE = 0.3
PHRASE_SHARE = 0.25
"""Shares of the utterances that are one word and that come from the phrase book; the rest are word sequences."""
LEXICON = 8000  # most frequent words to draw from
LEAST_WORDS = 100
HELD_OUT_MINUTES = 3.0  # most minutes of dev and of test, each; they are at most a tenth of the whole
_DRAWS_VERSION = 1  # counts up when the same seed no longer draws the same texts and voices
_MOST_SILENT_DRAWS = 100


@dataclass(frozen=True, slots=True)
class _Split:
    name: str
    minutes: float
    variants: tuple[str, ...]
    words: Sequence[str]
    phrases: Sequence[str]
    readers: Sequence[Reader]


def practice_corpus(
    language: str,
    minutes: float,
    folder: Path,
    *,
    seed: int = 1,
    sentences: Sequence[str] | None = None,
    held_out: bool = True,
    like: Sequence[str] = (),
    letters: Path | None = None,
    progress: Advance = silent,
) -> Path:
    """Synthesise `minutes` of speech into `folder`; returns its manifest.

    Train, dev and test have voice variants, words and phrases of their own; without `held_out` all is train. The same
    arguments give the same corpus, and existing whole recordings are not made again. `sentences` replaces the phrase
    book; without one, sample sentences are spoken. Words are wordfreq's, else those of the sentences. `like` and
    `letters` say whose voices a language borrows (g2p/speaking.py). Raises VizinhoError without eSpeak, CorpusError for
    a language without a voice or words and for a folder with recordings of other sentences under the same names.
    """
    splits = _splits_of(language, minutes, sentences, held_out, readers_of(language, like, letters))
    stamp = folder / "audio" / f"{language}-{seed}.draws"
    claim_folder(folder, stamp, _digest(splits), "recordings of other sentences")
    utterances: list[Utterance] = []
    for split in splits:
        utterances += _speak_split(language, split, folder, seed, progress)
    manifest = folder / f"{language}.jsonl"
    write_manifest(manifest, utterances)
    return manifest


def practice_digest(
    language: str, minutes: float, *, sentences: Sequence[str] | None = None, held_out: bool = True
) -> str:
    """Hash of the words, voices and phrases that `practice_corpus` draws from.

    Raises CorpusError as that does.
    """
    return _digest(_splits_of(language, minutes, sentences, held_out, readers_of(language)))


def phrase_books() -> set[str]:
    """Languages that sentences were written for."""
    files = resources.files("vizinho.corpora.phrasebook").iterdir()
    return {Path(file.name).stem for file in files if file.name.endswith(".txt")}


def phrase_book(language: str) -> list[str]:
    """The sentences written for this project, else sample sentences of gflanguages; none for most languages."""
    file = resources.files("vizinho.corpora.phrasebook") / f"{language}.txt"
    if not file.is_file():
        return list(sample_sentences(language))
    return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def _splits_of(
    language: str, minutes: float, sentences: Sequence[str] | None, held_out: bool, readers: Sequence[Reader]
) -> list[_Split]:
    if not 0 < minutes < math.inf:
        raise CorpusError(f"{minutes} minutes were asked for", where="minutes", fix="give a number above 0")
    if not readers:
        fix = "borrow a neighbour's with --like, or choose one of `vizinho corpus speak --list`"
        raise CorpusError(f"no voice for language {language!r}", fix=fix)
    dev_minutes = min(HELD_OUT_MINUTES, minutes / 10) if held_out else 0.0
    if sentences is None:
        splits = _splits(language, minutes, dev_minutes, phrase_book(language), readers)
    else:  # two spellings of one sentence must not fall into two splits
        splits = _splits(language, minutes, dev_minutes, sentences, readers, get_normalizer(language))
    needed = splits if held_out else splits[:1]
    if any(not split.words for split in needed):
        fix = f"give more text with --text: {LEAST_WORDS} different words or more"
        raise CorpusError(f"too few words of {language!r} to speak", where="words", fix=fix)
    return needed


def _splits(
    language: str,
    minutes: float,
    dev_minutes: float,
    phrases: Sequence[str],
    readers: Sequence[Reader],
    same_text: Callable[[str], str] = str,
) -> list[_Split]:
    """Words and phrases go to a split by their hash, whatever the seed: corpora of two seeds can be mixed."""
    words = _words(language, phrases)
    homes = {word: _home(word) for word in words}
    if len(set(homes.values())) < 3:  # few words: every eighth, so that each split has some
        homes = {word: {0: "dev", 4: "test"}.get(i % 8, "train") for i, word in enumerate(words)}
    half = len(HELD_OUT_VARIANTS) // 2
    variants = {"train": TRAIN_VARIANTS, "dev": HELD_OUT_VARIANTS[:half], "test": HELD_OUT_VARIANTS[half:]}
    return [
        _Split(
            name,
            minutes - 2 * dev_minutes if name == "train" else dev_minutes,
            variants[name],
            [w for w in words if homes[w] == name],
            [p for p in phrases if _home(same_text(p)) == name],
            readers,
        )
        for name in ("train", "dev", "test")
    ]


def _words(language: str, phrases: Sequence[str]) -> list[str]:
    """The most frequent words of wordfreq's list, else of the phrases."""
    if is_listed(language):
        return [w for w in frequent_words(language, LEXICON + 100) if len(w) > 1 or w in "aeoyàéáó"][:LEXICON]
    normalize = get_normalizer(language)
    counts = Counter(word for phrase in phrases for word in normalize(phrase).split() if is_word(word))
    return [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))][:LEXICON]


def _home(text: str) -> str:
    bucket = hashlib.sha256(text.encode()).digest()[0]  # 0 to 255: a sixteenth each for dev and test
    return "dev" if bucket < 16 else "test" if bucket < 32 else "train"


def _digest(splits: Sequence[_Split]) -> str:
    """Hash of all that the recordings are drawn from."""
    drawn_from: list[Any] = [[s.name, s.variants, list(s.words), list(s.phrases)] for s in splits]
    if any(reader.borrowed for reader in splits[0].readers):
        drawn_from.append([[reader.voice, reader.letters] for reader in splits[0].readers])
    text = json.dumps([_DRAWS_VERSION, drawn_from], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _speak_split(language: str, split: _Split, folder: Path, seed: int, progress: Advance) -> Iterator[Utterance]:
    done_seconds, number, silent_draws = 0.0, 0, 0
    while done_seconds < split.minutes * 60:
        name = f"{language}-{split.name}-{seed}-{number:05d}"
        rng = np.random.default_rng([seed, number, *split.name.encode()])
        text, (reader, voice) = _draw_text(split, rng), _draw_voice(split, rng)
        path = folder / "audio" / split.name / f"{name}.flac"
        seconds = _duration_if_whole(path)
        if seconds is None:
            try:
                seconds = _record(reader.written(text), voice, path, rng)
            except UnspeakableError:
                silent_draws += 1
                if silent_draws > _MOST_SILENT_DRAWS:
                    raise
                number += 1  # draw again with the next number
                progress(0.0, f"left out: {text[:30]}")
                continue
        yield Utterance(
            name,
            path.absolute(),
            text,
            language,
            f"{voice.name}-{voice.pitch // 25}",
            round(seconds, 3),
            split.name,
            accent=voice.locale,
            source="eSpeak NG",
            licence="synthesised",
            consent="not needed: nobody speaks",
        )
        done_seconds += seconds
        number += 1
        progress(seconds / 60, split.name)


def _draw_text(split: _Split, rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < PHRASE_SHARE and split.phrases:
        return str(split.phrases[int(rng.integers(len(split.phrases)))])
    count = 1 if kind < PHRASE_SHARE + SINGLE_WORD_SHARE else int(rng.integers(2, 8))
    # Zipf's law flattened: frequent words lead, but all letters and most of the lexicon occur.
    weights = 1.0 / (np.arange(len(split.words)) + 100.0)
    return " ".join(split.words[int(i)] for i in rng.choice(len(split.words), size=count, p=weights / weights.sum()))


def _draw_voice(split: _Split, rng: np.random.Generator) -> tuple[Reader, Voice]:
    reader = split.readers[int(rng.integers(len(split.readers)))]
    variant = split.variants[int(rng.integers(len(split.variants)))]
    rate, pitch, pitch_range = int(rng.integers(110, 215)), int(rng.integers(15, 86)), int(rng.integers(20, 81))
    return reader, Voice(reader.voice, variant, rate, pitch, pitch_range)


def _record(text: str, voice: Voice, path: Path, rng: np.random.Generator) -> float:
    samples = synthesise(text, voice)
    if rng.random() < 0.2:
        samples = band_limit(samples, float(rng.uniform(3000, 4000)))
    if rng.random() < 0.6:
        samples = add_noise(samples, float(rng.uniform(12, 40)), rng)
    # Loudness varies too, with room to the full scale for whatever comes after.
    samples = samples * (float(rng.uniform(0.3, 0.9)) / max(float(np.abs(samples).max()), 1e-6))
    save_audio(path, samples.astype(np.float32))
    return samples.size / SAMPLE_RATE


def _duration_if_whole(path: Path) -> float | None:
    """Seconds of a recording, or None where it is missing or damaged, and must be made."""
    with contextlib.suppress(AudioError):
        return seconds_of(path) if path.is_file() else None
    return None
