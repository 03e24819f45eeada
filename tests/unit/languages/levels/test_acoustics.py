"""Acoustic tokens on languages made of random walks, whose likeness is known, on tones and on real recordings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tones import tone_corpus

from vizinho.corpora.manifest import write_manifest
from vizinho.errors import AudioError
from vizinho.languages.levels.acoustic_tokens import (
    TokenSettings,
    collapse,
    learn_tokens,
    mfcc,
    mfcc_frames,
    normalise_by_speaker,
    shuffled_runs,
)
from vizinho.languages.levels.acoustics import compare_acoustics, halves, in_turns, plain_cosine, similarity
from vizinho.languages.measures import LevelResult
from vizinho.languages.sources import Inputs
from vizinho.records import Utterance
from vizinho.text.language import Language

PT, ES, EN = (Language.of(code) for code in ("pt", "es", "en"))
SOUNDS = 12


def _compared(
    target: Language, donor: Language, speech: Mapping[str, Path], *, minutes: float = 5.0, **options: Any
) -> LevelResult:
    (result,) = compare_acoustics(target, [donor], Inputs(speech=speech, minutes=minutes, seed=0), **options)
    return result


SETTINGS = TokenSettings(clusters=SOUNDS, units=60)


def _utterance(lang: str, number: int, speaker: str, seconds: float = 2.0, split: str = "train") -> Utterance:
    return Utterance(
        f"{lang}-{number:03d}", Path(f"/nowhere/{lang}-{number:03d}.wav"), "x", lang, speaker, seconds, split
    )


def _walks(paths: Sequence[Path]) -> list[np.ndarray]:
    """Frames of made-up languages: each sound is a place, and the language says which sound follows which.

    Portuguese and Spanish have nearly the same habits, English has others; the sounds are those of all three.
    """
    made = []
    for path in paths:
        lang, number = path.stem.split("-")
        step = {"pt": (1, 1, 1, 2), "es": (1, 1, 2, 1), "en": (5, 7, 5, 11)}[lang]
        rng = np.random.default_rng([int(number), *lang.encode()])
        jumps = rng.choice(step, size=60)
        jumps[rng.random(60) < 0.1] = rng.integers(1, SOUNDS)
        sounds = np.repeat(np.cumsum(jumps) % SOUNDS, rng.integers(1, 4, size=60))
        angle = 2 * np.pi * sounds / SOUNDS
        places = np.stack([np.cos(angle), np.sin(angle), np.cos(3 * angle)], axis=1)
        made.append((places + 0.02 * rng.standard_normal(places.shape)).astype(np.float32))
    return made


def _manifests(folder: Path, *langs: str, speakers: int = 2, count: int = 40) -> dict[str, Path]:
    found = {}
    for lang in langs:
        found[lang] = folder / f"{lang}.jsonl"
        write_manifest(found[lang], [_utterance(lang, i, f"{lang}{i % speakers}") for i in range(count)])
    return found


def test_a_language_with_the_same_habits_is_nearer(tmp_path: Path) -> None:
    speech = _manifests(tmp_path, "pt", "es", "en")
    es, en = (_compared(PT, d, speech, frames=_walks, settings=SETTINGS).measures[0] for d in (ES, EN))
    assert es.value > en.value + 0.2 and es.nearness > 0.7 and en.nearness < 0.5
    assert es.interval is not None and en.interval is not None and es.interval[0] > en.interval[1]
    assert es.interval[0] <= es.value <= es.interval[1]
    assert "utterances" in es.n_of and "same people" in es.ceiling_of


def test_a_language_against_itself_reaches_the_ceiling(tmp_path: Path) -> None:
    measure = _compared(PT, PT, _manifests(tmp_path, "pt"), frames=_walks, settings=SETTINGS).measures[0]
    assert measure.nearness == pytest.approx(1)
    assert measure.ceiling > 0.95 > measure.floor


def test_variants_with_one_manifest_are_compared_by_its_halves(tmp_path: Path) -> None:
    speech = _manifests(tmp_path, "pt")
    result = _compared(Language.of("pt-br"), Language.of("pt-pt"), speech, frames=_walks, settings=SETTINGS)
    assert result.measures[0].nearness == pytest.approx(1)
    assert any("the same recordings" in note for note in result.evidence["notes"])


def test_sounds_in_random_order_fall_to_the_floor(tmp_path: Path) -> None:
    def shuffled(paths: Sequence[Path]) -> list[np.ndarray]:
        frames = _walks(paths)
        if paths[0].stem.startswith("pt"):
            return frames
        return [np.random.default_rng(len(f)).permutation(f) for f in frames]

    speech = _manifests(tmp_path, "pt", "es")
    plain = _compared(PT, ES, speech, frames=_walks, settings=SETTINGS).measures[0]
    broken = _compared(PT, ES, speech, frames=shuffled, settings=SETTINGS).measures[0]
    assert abs(broken.nearness) < 0.2 < plain.nearness


def test_with_many_speakers_the_interval_resamples_them(tmp_path: Path) -> None:
    speech = _manifests(tmp_path, "pt", "es", speakers=6)
    result = _compared(PT, ES, speech, frames=_walks, settings=SETTINGS)
    assert "speakers" in result.measures[0].n_of
    assert not any("Few speakers" in note for note in result.evidence["notes"])


def test_a_shorter_donor_meets_as_much_of_the_target(tmp_path: Path) -> None:
    speech = _manifests(tmp_path, "pt") | _manifests(tmp_path, "es", count=20)
    assert _compared(PT, ES, speech, frames=_walks, settings=SETTINGS).measures[0].n == 40


def test_the_test_split_is_not_heard(tmp_path: Path) -> None:
    path = tmp_path / "pt.jsonl"
    splits = ["train", "test"] * 20
    write_manifest(path, [_utterance("pt", i, "a", split=s) for i, s in enumerate(splits)])
    heard: list[str] = []

    def frames(paths: Sequence[Path]) -> list[np.ndarray]:
        heard.extend(p.stem for p in paths)
        return _walks(paths)

    _compared(PT, PT, {"pt": path}, frames=frames, settings=SETTINGS)
    assert len(heard) == 20 and all(int(name[-3:]) % 2 == 0 for name in heard)


def test_what_is_missing_is_a_gap_with_its_reason(tmp_path: Path) -> None:
    speech = _manifests(tmp_path, "pt")
    (gap,) = _compared(PT, ES, speech).gaps
    assert gap.name == "*" and "no recordings of es" in gap.reason
    (gap,) = _compared(PT, ES, speech | {"es": tmp_path / "es.jsonl"}, frames=_walks).gaps
    assert "es.jsonl" in gap.reason and "no such manifest" in gap.reason
    (tmp_path / "en.jsonl").write_text("{}\n", encoding="utf-8")
    (gap,) = _compared(PT, EN, speech | {"en": tmp_path / "en.jsonl"}, frames=_walks).gaps
    assert "en.jsonl:1" in gap.reason
    (gap,) = _compared(PT, ES, speech | _manifests(tmp_path, "es", count=5), frames=_walks).gaps
    assert "only 10 s of speech in 5 recordings" in gap.reason


def test_recordings_that_cannot_be_read_are_left_out_and_named(tmp_path: Path) -> None:
    def frames(paths: Sequence[Path]) -> list[np.ndarray]:
        if any(p.stem == "es-007" for p in paths):
            raise AudioError("broken", where=paths[0])
        made = _walks(paths)
        return [np.full_like(f, np.nan) if p.stem == "es-009" else f for p, f in zip(paths, made, strict=True)]

    result = _compared(PT, ES, _manifests(tmp_path, "pt", "es"), frames=frames, settings=SETTINGS)
    (gap,) = result.gaps
    assert gap.name == "skipped_recordings" and "2 recordings of es" in gap.reason
    assert "es-007: broken" in gap.reason and "es-009" in gap.reason
    assert result.measures[0].n == 76


def test_tones_through_the_whole_chain(tmp_path: Path) -> None:
    speech = {
        "pt": tone_corpus(tmp_path / "pt", count=40, lang="pt", letters="abcd"),
        "es": tone_corpus(tmp_path / "es", count=40, lang="es", letters="abcd", seed=1),
        "en": tone_corpus(tmp_path / "en", count=40, lang="en", letters="efgh", seed=2),
    }
    settings = TokenSettings(clusters=16, units=60)
    es, en = (_compared(PT, d, speech, settings=settings).measures[0].value for d in (ES, EN))
    assert es > en
    again = _compared(PT, ES, speech, settings=settings)
    assert again.measures[0].value == es
    assert json.loads(json.dumps(again.evidence, allow_nan=False)) == again.evidence


@pytest.mark.parametrize("donor", ["es", "en"])
def test_real_recordings(donor: str, shared: Path) -> None:
    speech = {code: shared / "speech" / f"{code}.jsonl" for code in ("pt", donor)}
    result = _compared(PT, Language.of(donor), speech, minutes=1.0)
    measure = result.measures[0]
    assert measure.floor < measure.value < 1 and measure.floor < measure.ceiling
    assert {row["language"] for row in result.evidence["recordings"]} == {"pt", donor}
    assert any("Few speakers" in note for note in result.evidence["notes"])


@given(st.lists(st.integers(0, 3), max_size=30))
def test_runs_become_one(tokens: list[int]) -> None:
    found = collapse(np.array(tokens, dtype=np.int64)).tolist()
    assert all(a != b for a, b in pairwise(found))
    assert set(found) == set(tokens) and collapse(np.array(found, dtype=np.int64)).tolist() == found


def test_more_speech_leaves_the_similarity_where_it_is() -> None:
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(200)), rng.dirichlet(np.ones(200))
    true = float(p @ q / np.sqrt((p @ p) * (q @ q)))

    def drawn(size: int) -> tuple[np.ndarray, np.ndarray]:
        return tuple(rng.multinomial(20, r, size=size).astype(float) for r in (p, q))  # type: ignore[return-value]

    pairs = [drawn(10) for _ in range(200)]
    assert np.mean([similarity(*pair) for pair in pairs]) == pytest.approx(true, abs=0.02)
    assert np.mean([plain_cosine(*pair) for pair in pairs]) < true - 0.1


def test_units_are_learnt_from_what_recurs() -> None:
    frames = [np.eye(4, dtype=np.float32)[[0, 0, 1, 2, 2, 3] * 5] for _ in range(20)]
    tokens = learn_tokens(frames, TokenSettings(clusters=4, units=12))
    runs = [tokens.runs(f) for f in frames]
    counts = tokens.counts(runs)
    assert len(runs[0]) == 20 and counts.shape[0] == 20
    assert len(tokens.names) == counts.shape[1] and any(" " in name for name in tokens.names)
    used = sum(len(tokens.names[i].split()) * n for i, n in enumerate(counts[0]))
    assert used == 20


def test_shuffling_keeps_the_tokens_but_for_runs() -> None:
    (run,) = shuffled_runs([np.array([0, 1, 0, 2, 3])], np.random.default_rng(0))
    assert set(run.tolist()) == {0, 1, 2, 3} and len(run) <= 5


def test_silence_at_the_ends_is_cut_off() -> None:
    rng = np.random.default_rng(0)
    speech = rng.standard_normal(8000).astype(np.float32) * 0.3
    silence = rng.standard_normal(8000).astype(np.float32) * 1e-5
    assert abs(len(mfcc(np.concatenate([silence, speech, silence]))) - len(mfcc(speech))) <= 4
    assert mfcc(speech).shape[1] == 26 and np.isfinite(mfcc(np.zeros(10, dtype=np.float32))).all()


def test_a_missing_file_is_an_audio_error(tmp_path: Path) -> None:
    with pytest.raises(AudioError):
        mfcc_frames([tmp_path / "none.wav"])


def test_speakers_are_normalised_apart() -> None:
    rng = np.random.default_rng(0)
    frames = [rng.standard_normal((50, 2)) * scale + scale for scale in (1, 1, 9)]
    made = normalise_by_speaker(frames, ["a", "a", "b"])
    for own in (np.concatenate(made[:2]), made[2]):
        assert own.mean(axis=0) == pytest.approx([0, 0], abs=1e-5)
        assert own.std(axis=0) == pytest.approx([1, 1], abs=1e-3)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 9)), min_size=2, max_size=20))
def test_halves_share_every_speaker_of_two_utterances_and_lose_nobody(rows: list[tuple[str, int]]) -> None:
    utterances = [_utterance("pt", i, speaker, seconds) for i, (speaker, seconds) in enumerate(rows)]
    parts = halves(utterances, np.random.default_rng(0))
    assert sorted(parts[0] + parts[1]) == list(range(len(rows))) and all(parts)
    speakers = [u.speaker for u in utterances]
    often = {speaker for speaker in speakers if speakers.count(speaker) > 1}
    assert all(often <= {speakers[i] for i in part} for part in parts)


def test_speakers_take_turns() -> None:
    utterances = [_utterance("pt", i, "often" if i % 5 else "seldom") for i in range(50)]
    chosen = in_turns(utterances, 20.0, np.random.default_rng(0))
    assert len(chosen) == 10 and sum(u.speaker == "seldom" for u in chosen) == 5
    assert chosen == in_turns(utterances, 40.0, np.random.default_rng(0))[:10]
