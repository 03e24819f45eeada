"""How well a text is laid over a long recording: joined recordings with known times, sentences deleted and inserted.

Real recordings are trimmed to their speech and joined with 0.3 to 1 s between; so it is known where each sentence
begins and ends. Of the text, 0, 10 or 30 % of the sentences are deleted, and as many of the same corpus inserted that
nobody says. Against `vizinho corpus align` stand an even split (letters in proportion to seconds) and ctc-segmentation,
which gets the log-probabilities of the same network.

    pip install ctc-segmentation
    .venv/bin/python bench/align.py [--models es-demo en-demo]     # Portuguese: the tables of docs/align.md
    .venv/bin/python bench/align.py --calibrate                    # other languages: recognition/alignment.json
    .venv/bin/python bench/align.py --rounds                       # what a transfer between two rounds is worth
    .venv/bin/python bench/align.py --hours                        # time and memory against length
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio, save_audio
from vizinho.cli.emit import markdown
from vizinho.corpora.manifest import read_manifest
from vizinho.decoding.alignment import Tokens
from vizinho.errors import CorpusError
from vizinho.job.align import AlignOptions, align_recording
from vizinho.job.aligner import Aligner
from vizinho.job.job import Job
from vizinho.model.checkpoint import load_checkpoint
from vizinho.recognition import align
from vizinho.recognition.align import Frames, least_confidence, place
from vizinho.records import Utterance
from vizinho.store.store import Store
from vizinho.text.language import same_language
from vizinho.text.normalize import get_normalizer

SPEECH = Path(os.environ.get("VIZINHO_SHARED", "../shared")) / "speech"
RIGHT_SECONDS = 0.5
SHARES = (0.0, 0.1, 0.3)
RESAMPLES = 1000
TEST = (
    ("one man reads", "pt_read", ("hts-br",), 5),
    ("instructions, Brazil", "pt_read", ("Enrico",), 4),
    ("instructions, Portugal", "pt_read", ("IFILP",), 4),
    ("books and news, 17 people", "pt_read", ("MLS", "FLEURS"), 5),
    ("single words", "pt", ("Francisco", "João"), 2),
)
"""Name, manifest, speakers, minutes. A model of Portuguese that was trained on the train split of pt has heard nobody
of these."""
CALIBRATION = (
    ("sentences", "es", ("Daniel",), 8),
    ("captions", "fr", ("Zohra",), 6),
    ("sentences", "words/ro", ("Tabbytha",), 8),
    ("captions", "words/de", ("Claudia",), 6),
)
"""None is Portuguese, so that the tables show how the calibration carries over to a language it has not seen. Lists of
single words are left out: these models place fewer than half of them, and no confidence tells which."""


@dataclass(frozen=True)
class Recording:
    name: str
    path: Path
    seconds: float
    utterances: tuple[Utterance, ...]
    times: tuple[tuple[float, float], ...]
    others: tuple[Utterance, ...]
    """Of the same corpus, not spoken in the recording."""


@dataclass(frozen=True)
class Row:
    """One utterance of a text: whether it is spoken, by how many seconds its ends are off, and how sure that is."""

    recording: str
    spoken: bool
    off: tuple[float, float] | None
    confidence: float
    features: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def right(self) -> bool:
        return self.spoken and self.off is not None and max(map(abs, self.off)) <= RIGHT_SECONDS


def trimmed(samples: Waveform) -> Waveform:
    """Speech without the silence around it: from the first to the last 60 ms above 6 % of the loud frames' level."""
    size = SAMPLE_RATE // 50
    frames = samples[: samples.size // size * size].reshape(-1, size)
    level = np.sqrt((frames**2).mean(axis=1))
    loud = np.convolve(level > max(0.06 * np.percentile(level, 95), 1e-4), np.ones(3), "same") >= 3
    places = np.flatnonzero(loud)
    return samples[max(0, places[0] - 1) * size : (places[-1] + 2) * size] if places.size else samples


def _read(manifest: str, folder: Path) -> list[Utterance]:
    """A manifest beside the project; the splits of some are left empty, for everybody to cut."""
    source = SPEECH / f"{manifest}.jsonl"
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    rows = [row | {"split": row["split"] or "train", "audio": str(source.parent / row["audio"])} for row in rows]
    copy = folder / f"{source.stem}.jsonl"
    copy.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return read_manifest(copy)


def joined(name: str, manifest: str, speakers: Sequence[str], minutes: float, folder: Path, seed: int) -> Recording:
    normalize = get_normalizer(Path(manifest).name.partition("_")[0])
    utterances = [u for u in _read(manifest, folder) if u.speaker.startswith(tuple(speakers))]
    by_text = {normalize(u.text): u for u in utterances if len(normalize(u.text)) > 2}
    rng = np.random.default_rng(seed)
    shuffled = [list(by_text.values())[i] for i in rng.permutation(len(by_text))]
    parts: list[Waveform] = []
    chosen, times, now = [], [], 0
    for utterance in shuffled:
        if now > minutes * 60 * SAMPLE_RATE:
            break
        gap = rng.normal(0.0, 1e-4, round(float(rng.uniform(0.3, 1.0)) * SAMPLE_RATE)).astype(np.float32)
        speech = trimmed(load_audio(utterance.audio))
        times.append(((now + gap.size) / SAMPLE_RATE, (now + gap.size + speech.size) / SAMPLE_RATE))
        parts += [gap, speech]
        chosen.append(utterance)
        now += gap.size + speech.size
    path = folder / f"{seed}.wav"
    save_audio(path, np.concatenate([*parts, np.zeros(SAMPLE_RATE // 2, np.float32)]))
    others = tuple(shuffled[len(chosen) :]) or tuple(chosen)
    return Recording(name, path, now / SAMPLE_RATE + 0.5, tuple(chosen), tuple(times), others)


def corrupted(
    recording: Recording, share: float, seed: int, others: Sequence[Utterance]
) -> list[tuple[str, tuple[float, float] | None]]:
    """Texts and their times, None for those that are inserted."""
    rng, count = np.random.default_rng(seed), round(share * len(recording.utterances))
    deleted = set(rng.permutation(len(recording.utterances))[:count].tolist())
    texts: list[tuple[str, tuple[float, float] | None]] = [
        (u.text, times)
        for number, (u, times) in enumerate(zip(recording.utterances, recording.times, strict=True))
        if number not in deleted
    ]
    for number in rng.permutation(len(others))[:count].tolist():
        texts.insert(int(rng.integers(len(texts) + 1)), (others[number].text, None))
    return texts


def aligner_of(model: str, lang: str, texts: Sequence[str]) -> Aligner:
    store, normalizer = Store(), get_normalizer(lang)
    folder, card = store.resolve(model), store.card(model)
    assert card is not None
    if same_language(card.language, lang):
        return Aligner.of(load_checkpoint(folder), card.text_normalizer(), folder)
    return Aligner.untrained(Job(lang, (), folder, card.language), [normalizer(t) for t in texts], normalizer)


def ours(frames: Frames, aligner: Aligner, tokens: Sequence[Tokens]) -> list[tuple[float, ...] | None]:
    """Start, end, confidence, score, pauses."""
    placed = place(frames, tokens, aligner.columns.breaks)
    return [p and (p.start_seconds, p.end_seconds, p.confidence, p.score, p.pauses) for p in placed]


def even(recording: Recording, texts: Sequence[str]) -> list[tuple[float, ...] | None]:
    ends = np.cumsum([len(text) for text in texts]) / sum(map(len, texts)) * recording.seconds
    return [(float(start), float(end), 0.0) for start, end in zip([0.0, *ends[:-1]], ends, strict=True)]


def peer(
    frames: Frames, aligner: Aligner, tokens: Sequence[Tokens], step: float
) -> list[tuple[float, ...] | None] | None:
    """ctc-segmentation on the same log-probabilities; None where it is not installed."""
    try:
        import ctc_segmentation as cs
    except ImportError:
        return None
    # It wants frames at a constant rate, and the blank's column first.
    repeats = np.where(frames.observed.is_pause, np.maximum(1, np.round((frames.ends - frames.starts) / step)), 1)
    log_probs = frames.observed.deficits - np.log(np.exp(frames.observed.deficits).sum(axis=1, keepdims=True))
    silence = np.full(log_probs.shape[1], -12.0)
    silence[aligner.columns.blank] = 0.0
    log_probs[frames.observed.is_pause] = silence
    order = [aligner.columns.blank, *(c for c in range(log_probs.shape[1]) if c != aligner.columns.blank)]
    column = {old: new for new, old in enumerate(order)}
    config = cs.CtcSegmentationParameters(char_list=[str(i) for i in range(len(order))], index_duration=step)
    matrix, begins = cs.prepare_token_list(config, [np.array([column[int(t)] for t in of]) for of in tokens])
    timings, probabilities, _ = cs.ctc_segmentation(
        config, np.repeat(log_probs[:, order], repeats.astype(int), axis=0).astype(np.float32), matrix
    )
    segments = cs.determine_utterance_segments(config, begins, probabilities, timings, [""] * len(tokens))
    return [(float(s[0]), float(s[1]), float(s[2])) for s in segments]


def rows_of(
    recording: Recording,
    texts: Sequence[tuple[str, tuple[float, float] | None]],
    places: Sequence[tuple[float, ...] | None],
    sizes: Sequence[int],
) -> Iterator[Row]:
    for (_, times), found, size in zip(texts, places, sizes, strict=True):
        off = (found[0] - times[0], found[1] - times[1]) if found and times else (9.0, 9.0) if found else None
        features = (found[3], found[4], float(np.log(size))) if found and len(found) > 3 else (0.0, 0.0, 0.0)
        yield Row(recording.name, times is not None, off, found[2] if found else -np.inf, features)


def recall_at(rows: Sequence[Row], precision: float) -> float:
    """Share of the spoken utterances that are right above the lowest confidence that has this precision."""
    ranked = sorted(rows, key=lambda r: -r.confidence)
    right = np.cumsum([r.right for r in ranked])
    fitting = np.flatnonzero(right >= precision * np.arange(1, len(ranked) + 1))
    return float(right[fitting[-1]]) / max(1, sum(r.spoken for r in rows)) if fitting.size else 0.0


def measures(rows: Sequence[Row]) -> dict[str, float]:
    offs = np.abs([off for r in rows if r.spoken and r.off for off in r.off] or [np.nan])
    accepted = [r for r in rows if r.confidence >= least_confidence(0.99)]
    spoken = max(1, sum(r.spoken for r in rows))
    return {
        "right": sum(r.right for r in rows) / spoken,
        "median": float(np.median(offs)),
        "p95": float(np.percentile(offs, 95)),
        "recall": recall_at(rows, 0.99),
        "accepted": sum(r.right for r in accepted) / spoken,
        "precision": sum(r.right for r in accepted) / len(accepted) if accepted else np.nan,
    }


def with_interval(rows: Sequence[Row], digits: int = 2) -> dict[str, str]:
    """Each measure with its 95 % interval, utterances resampled."""
    rng, point = np.random.default_rng(1), measures(rows)
    draws = [measures([rows[i] for i in rng.integers(len(rows), size=len(rows))]) for _ in range(RESAMPLES)]
    shown = {}
    for name, value in point.items():
        values = [d[name] for d in draws if np.isfinite(d[name])]
        low, high = np.percentile(values, [2.5, 97.5]) if values else (np.nan, np.nan)
        shown[name] = "-" if not np.isfinite(value) else f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
    return shown


def compare(recordings: Sequence[Recording], models: Sequence[str], seeds: Sequence[int], out: Path | None) -> None:
    results: dict[tuple[str, float, str], list[Row]] = {}
    seconds, minutes = dict.fromkeys(("vizinho", "ctc-segmentation"), 0.0), 0.0
    for model in models:
        for recording in recordings:
            lang = recording.utterances[0].lang
            every = [u.text for u in (*recording.utterances, *recording.others[:200])]
            aligner = aligner_of(model, lang, every)
            frames = aligner.frames(recording.path)
            step = aligner.checkpoint.front.frame_seconds
            for share in SHARES:
                for seed in seeds if share else seeds[:1]:
                    texts = corrupted(recording, share, seed, recording.others)
                    written = [aligner.normalizer(text) for text, _ in texts]
                    tokens = [aligner.tokens(text) for text in written]
                    begun = time.process_time()
                    ways = {"vizinho": ours(frames, aligner, tokens)}
                    seconds["vizinho"] += time.process_time() - begun
                    if model == models[0]:  # it needs no model
                        ways["even split"] = even(recording, written)
                    begun = time.process_time()
                    ways["ctc-segmentation"] = peer(frames, aligner, tokens, step) or []
                    seconds["ctc-segmentation"] += time.process_time() - begun
                    minutes += recording.seconds / 60
                    for way, places in ways.items():
                        if places:
                            new = rows_of(recording, texts, places, [t.size for t in tokens])
                            results.setdefault((model, share, way), []).extend(new)
            print(f"{model}: {recording.name}, {recording.seconds / 60:.1f} min", flush=True)
    measured = {key: with_interval(rows) for key, rows in results.items()}
    head = ["model", "missing", "way", "right", "median, s", "95 %, s", "recall at precision .99"]
    lines = []
    for (model, share, way), shown in measured.items():
        blind = way == "even split"
        cells = [shown["right"], shown["median"], shown["p95"], "-" if blind else shown["recall"]]
        lines.append(["none" if blind else model, f"{share:.0%}", way, *cells])
    print(f"\n{markdown(head, lines)}\n")
    print(f"search, CPU s for a minute: { {way: round(s / minutes, 3) for way, s in seconds.items()} }\n")
    if out is not None:
        rows = [{"model": m, "missing": share, "way": way, **v} for (m, share, way), v in measured.items()]
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"right_seconds": RIGHT_SECONDS, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    print("--precision .99 as it is calibrated:\n")
    head = ["model", "missing", "precision of what is accepted", "right and accepted, of all spoken"]
    own = [(key, with_interval(of, 3)) for key, of in results.items() if key[2] == "vizinho"]
    print(markdown(head, [[m, f"{share:.0%}", s["precision"], s["accepted"]] for (m, share, _), s in own]))
    head = ["model", "recording", "right", "accepted", "precision"]
    lines = []
    for model in models:
        of_model = sorted((r for share in SHARES for r in results[model, share, "vizinho"]), key=lambda r: r.recording)
        for name, part in groupby(of_model, key=lambda r: r.recording):
            m = measures(list(part))
            lines.append([model, name, f"{m['right']:.2f}", f"{m['accepted']:.2f}", f"{m['precision']:.3f}"])
    print(f"\n{markdown(head, lines)}")


def calibrate(recordings: Sequence[Recording], models: Sequence[str], seeds: Sequence[int]) -> None:
    """Fit confidences, and thresholds by leaving out one recording at a time."""
    from sklearn.linear_model import LogisticRegression

    rows: list[Row] = []
    groups: list[str] = []
    for model in models:
        for recording in recordings:
            lang = recording.utterances[0].lang
            aligner = aligner_of(model, lang, [u.text for u in (*recording.utterances, *recording.others[:200])])
            frames = aligner.frames(recording.path)
            for share in SHARES:
                for seed in seeds if share else seeds[:1]:
                    texts = corrupted(recording, share, seed, recording.others)
                    tokens = [aligner.tokens(aligner.normalizer(text)) for text, _ in texts]
                    new = list(rows_of(recording, texts, ours(frames, aligner, tokens), [t.size for t in tokens]))
                    rows += [r for r in new if r.off is not None]
                    groups += [str(recording.path)] * sum(r.off is not None for r in new)
            print(f"{model}: {lang}, {recording.name}, {recording.seconds / 60:.1f} min", flush=True)
    X, y, of = np.array([r.features for r in rows]), np.array([r.right for r in rows]), np.array(groups)
    # Every recording counts the same, however short its utterances are.
    weight = 1.0 / np.array([np.sum(of == group) for group in of])
    held_out = np.zeros(len(rows))
    for group in set(groups):
        fitted = LogisticRegression(C=1e3).fit(X[of != group], y[of != group], weight[of != group])
        held_out[of == group] = fitted.predict_proba(X[of == group])[:, 1]
    order = np.argsort(-held_out)
    precisions = np.cumsum((weight * y)[order]) / np.cumsum(weight[order])
    thresholds = {}
    for precision in (0.9, 0.95, 0.98, 0.99):
        fitting = np.flatnonzero(precisions >= precision)
        share = float((weight * y)[order][: fitting[-1] + 1].sum() / (weight * y).sum())
        thresholds[f"{precision:g}"] = round(float(held_out[order[fitting[-1]]]), 4)
        print(f"precision {precision:g}: confidence {thresholds[f'{precision:g}']}, {share:.2f} of what is right")
    final = LogisticRegression(C=1e3).fit(X, y, weight)
    names = ("score", "pauses", "tokens")
    weights = {"constant": float(final.intercept_[0])} | dict(zip(names, map(float, final.coef_[0]), strict=True))
    values = {"weights": {k: round(v, 4) for k, v in weights.items()}, "thresholds": thresholds}
    path = Path(align.__file__).with_name("alignment.json")
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    print(f"{len(rows)} placements of {len(set(groups))} recordings, {y.mean():.2f} right: {path}")


def rounds(recordings: Sequence[Recording], model: str, share: float = 0.1) -> None:
    """The command itself with one round and with two, each recording alone; a text may be cut into several parts."""
    results: dict[tuple[int, str], list[Row]] = {}
    for recording in recordings:
        texts = corrupted(recording, share, 1, recording.others)
        written = recording.path.with_suffix(".txt")
        written.write_text("\n".join(" ".join(text.split()) for text, _ in texts), encoding="utf-8")
        for count in (1, 2):
            out = recording.path.with_name(f"{recording.path.stem}-{count}.jsonl")
            begun = time.process_time()
            try:
                report = align_recording(
                    recording.path, written, model=model, lang="pt", out=out, options=AlignOptions(rounds=count)
                )
            except CorpusError as error:
                print(f"{recording.name}, {count} rounds: {error}", flush=True)
                continue
            lines = [json.loads(line) for line in report.alignment.read_text(encoding="utf-8").splitlines()]
            by_line = {number: list(parts) for number, parts in groupby(lines, key=lambda row: row["line"])}
            rows = [_whole(recording.name, by_line.get(n, []), times) for n, (_, times) in enumerate(texts, start=1)]
            results[count, recording.name] = rows
            seconds = time.process_time() - begun
            m = measures(rows)
            cells = ", ".join(f"{key} {m[key]:.3f}" for key in ("right", "accepted", "precision"))
            print(f"{recording.name}, {count} rounds: {cells}; {seconds:.0f} CPU s", flush=True)
    head, lines = ["rounds", "recording", "right", "right and accepted", "precision"], []
    both = [name for _, name in results if (1, name) in results and (2, name) in results]
    for count in (1, 2):
        every = [row for name in dict.fromkeys(both) for row in results[count, name]]
        for name, of in [*((n, results[count, n]) for n in dict.fromkeys(both)), ("all", every)]:
            shown = with_interval(of, 3)
            lines.append([str(count), name, shown["right"], shown["accepted"], shown["precision"]])
    print(f"\n{markdown(head, lines)}")


def _whole(name: str, parts: Sequence[dict[str, Any]], times: tuple[float, float] | None) -> Row:
    """One line of a text: placed from its first part to its last, as sure as the least sure of them."""
    placed = [part for part in parts if "start_seconds" in part]
    if not placed or len(placed) < len(parts):
        return Row(name, times is not None, None, -np.inf)
    start, end = placed[0]["start_seconds"], placed[-1]["end_seconds"]
    off = (start - times[0], end - times[1]) if times else (9.0, 9.0)
    return Row(name, times is not None, off, min(part["confidence"] for part in placed))


def hours(folder: Path, model: str) -> None:
    """Seconds and memory of the search alone, and of the network before it, against the length of a recording."""
    lines = []
    for minutes in (10, 30, 85):
        recording = joined("long", "pt_read", ("hts-br",), minutes, folder, minutes)
        texts = corrupted(recording, 0.1, 1, recording.others)
        aligner = aligner_of(model, "pt", [text for text, _ in texts])
        begun = time.process_time()
        frames = aligner.frames(recording.path)
        listened = time.process_time()
        tokens = [aligner.tokens(aligner.normalizer(text)) for text, _ in texts]
        right = sum(r.right for r in rows_of(recording, texts, ours(frames, aligner, tokens), [1] * len(tokens)))
        spent = time.process_time() - listened
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        share = right / sum(times is not None for _, times in texts)
        lines.append([minutes, f"{listened - begun:.0f}", f"{spent:.1f}", f"{peak:.0f}", f"{share:.2f}"])
    head = ["minutes", "network, s", "search, s", "peak memory of the process, MB", "right"]
    print(markdown(head, lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["es-demo", "en-demo"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--rounds", action="store_true")
    parser.add_argument("--hours", action="store_true")
    parser.add_argument("--out", type=Path, help="JSON file of the first table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if arguments.hours:
            hours(folder, arguments.models[0])
            return
        sets = CALIBRATION if arguments.calibrate else TEST
        recordings = [joined(*of, folder, seed) for seed, of in enumerate(sets, start=1)]
        if arguments.rounds:
            rounds(recordings, arguments.models[0])
        elif arguments.calibrate:
            calibrate(recordings, arguments.models, arguments.seeds)
        else:
            compare(recordings, arguments.models, arguments.seeds, arguments.out)


if __name__ == "__main__":
    main()
