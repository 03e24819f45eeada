"""How well a text is laid over a long recording: joined recordings with known times, sentences deleted and inserted.

Real recordings are trimmed to their speech and joined with 0.3 to 1 s between; so it is known where each sentence
begins and ends. Of the text, 0, 10 or 30 % of the sentences are deleted, and as many of the same corpus inserted that
nobody says. Against `vizinho corpus align` stand an even split (letters in proportion to seconds) and other aligners,
which get the log-probabilities of the same network; those that are not installed are named and left out.

    pip install ctc-segmentation ctc-forced-aligner torchaudio
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
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import beta

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio, save_audio
from vizinho.cli.emit import markdown
from vizinho.corpora.manifest import read_manifest
from vizinho.decoding.alignment import Floats, Tokens
from vizinho.errors import CorpusError
from vizinho.job.align import AlignOptions, align_recording
from vizinho.job.aligner import Aligner
from vizinho.job.job import Job
from vizinho.model.checkpoint import load_checkpoint
from vizinho.recognition import align_confidence
from vizinho.recognition.align import Frames, place
from vizinho.recognition.align_confidence import Evidence, confidence, least_confidence
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
    ("captions", "es", ("Estefania",), 8),
    ("prompts", "es", ("Allison",), 8),
    ("news, 9 people", "more/es", ("FLEURS",), 3),
    ("prompts", "fr", ("PaulK",), 8),
    ("captions", "fr", ("Zohra",), 6),
    ("news, 10 people", "more/fr", ("FLEURS",), 3),
    ("sentences", "words/ro", ("Tabbytha",), 8),
    ("captions", "words/de", ("Claudia",), 6),
    ("captions", "words/ca", ("Pere",), 6),
    ("instructions", "en", ("Julia",), 8),
    ("prompts", "en", ("Allison",), 8),
)
"""None is Portuguese, so that the tables show how the calibration carries over to a language it has not seen."""
PRECISIONS = (0.9, 0.95, 0.98, 0.99, 0.995)


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
    evidence: Evidence | None = None

    @property
    def right(self) -> bool:
        return self.spoken and self.off is not None and max(map(abs, self.off)) <= RIGHT_SECONDS


@dataclass(frozen=True)
class Placed:
    """Where one way puts an utterance."""

    start: float
    end: float
    confidence: float = 0.0
    evidence: Evidence | None = None


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
    everybody = _read(manifest, folder)
    utterances = [u for u in everybody if u.speaker.startswith(tuple(speakers))]
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
    # Where the speakers have said all they have, sentences of others are inserted.
    texts = {u.text for u in chosen}
    others = tuple(shuffled[len(chosen) :]) or tuple(u for u in everybody if u.text not in texts)
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


def ours(frames: Frames, aligner: Aligner, tokens: Sequence[Tokens]) -> list[Placed | None]:
    placed = place(frames, tokens, aligner.columns.breaks)
    return [p and Placed(p.start_seconds, p.end_seconds, p.confidence, p.evidence) for p in placed]


def even(recording: Recording, texts: Sequence[str]) -> list[Placed]:
    ends = np.cumsum([len(text) for text in texts]) / sum(map(len, texts)) * recording.seconds
    return [Placed(float(start), float(end)) for start, end in zip([0.0, *ends[:-1]], ends, strict=True)]


def _constant_rate(frames: Frames, aligner: Aligner, step: float) -> Floats:
    """Log-probabilities at a constant rate, the blank's column first, as other aligners want them."""
    repeats = np.where(frames.observed.is_pause, np.maximum(1, np.round((frames.ends - frames.starts) / step)), 1)
    log_probs = frames.observed.deficits - np.log(np.exp(frames.observed.deficits).sum(axis=1, keepdims=True))
    silence = np.full(log_probs.shape[1], -12.0)
    silence[aligner.columns.blank] = 0.0
    log_probs[frames.observed.is_pause] = silence
    return np.repeat(log_probs[:, _blank_first(aligner)], repeats.astype(int), axis=0).astype(np.float32)


def _blank_first(aligner: Aligner) -> list[int]:
    blank = aligner.columns.blank
    return [blank, *(column for column in range(aligner.columns.rows.size) if column != blank)]


def _renumbered(aligner: Aligner, tokens: Sequence[Tokens]) -> list[Tokens]:
    column = {old: new for new, old in enumerate(_blank_first(aligner))}
    return [np.array([column[int(t)] for t in of]) for of in tokens]


def ctc_segmentation(log_probs: Floats, tokens: Sequence[Tokens], step: float) -> list[Placed]:
    """Kürzinger et al. 2020: utterances in a row, a text cut out of audio that may be longer."""
    import ctc_segmentation as cs

    config = cs.CtcSegmentationParameters(
        char_list=[str(column) for column in range(log_probs.shape[1])], index_duration=step
    )
    matrix, begins = cs.prepare_token_list(config, list(tokens))
    timings, probabilities, _ = cs.ctc_segmentation(config, log_probs, matrix)
    segments = cs.determine_utterance_segments(config, begins, probabilities, timings, [""] * len(tokens))
    return [Placed(float(s[0]), float(s[1]), float(s[2])) for s in segments]


def forced_aligner(log_probs: Floats, tokens: Sequence[Tokens], step: float) -> list[Placed]:
    """ctc-forced-aligner (the kernel of torchaudio's forced_align), with its star between utterances."""
    from ctc_forced_aligner import forced_align

    # As it does itself: a star before each segment, with a column of its own that is always certain.
    with_star = np.concatenate([log_probs, np.zeros((len(log_probs), 1), np.float32)], axis=1)
    star = log_probs.shape[1]
    targets = np.concatenate([np.append(star, of) for of in tokens])
    path, scores = forced_align(with_star[None], targets[None].astype(np.int64), blank=0)
    return _spans(path.reshape(-1), np.exp(scores.reshape(-1)), [of.size for of in tokens], step, stars=1)


def torchaudio(log_probs: Floats, tokens: Sequence[Tokens], step: float) -> list[Placed]:
    """torchaudio's forced_align: one row of tokens through all frames."""
    from torchaudio.functional import forced_align

    targets = torch.from_numpy(np.concatenate(tokens))[None]
    path, scores = forced_align(torch.from_numpy(log_probs)[None], targets, blank=0)
    return _spans(path[0].numpy(), scores[0].exp().numpy(), [of.size for of in tokens], step)


def _spans(path: Tokens, probabilities: Floats, sizes: Sequence[int], step: float, stars: int = 0) -> list[Placed]:
    """First and last frame of each utterance's tokens on a path; so many stars stand before each."""
    begins = np.flatnonzero((path != 0) & (path != np.concatenate([[-1], path[:-1]])))
    ends = np.flatnonzero((path != 0) & (path != np.concatenate([path[1:], [-1]]))) + 1
    placed, token = [], 0
    for size in sizes:
        token += stars
        start, end = int(begins[token]), int(ends[token + size - 1])
        placed.append(Placed(start * step, end * step, float(probabilities[start:end].mean())))
        token += size
    return placed


PEERS: dict[str, tuple[Callable[[Floats, Sequence[Tokens], float], list[Placed]], bool]] = {
    "ctc-segmentation": (ctc_segmentation, True),
    "ctc-forced-aligner": (forced_aligner, False),
    "torchaudio": (torchaudio, False),
}
"""Each with whether it is tried on texts with faults: the others place every token of the text."""


def installed_peers() -> dict[str, Callable[[Floats, Sequence[Tokens], float], list[Placed]]]:
    """Those that can be imported; the others are named with the reason."""
    usable = {}
    for name, (peer, _) in PEERS.items():
        try:
            # A library may be installed and not load: its kernel wants another version, or CUDA.
            peer(np.log(np.full((4, 3), 1 / 3, np.float32)), [np.array([1])], 0.02)
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            print(f"{name} is left out: {str(error).splitlines()[0]}")
        else:
            usable[name] = peer
    return usable


def rows_of(
    recording: Recording,
    texts: Sequence[tuple[str, tuple[float, float] | None]],
    places: Sequence[Placed | None],
) -> Iterator[Row]:
    for (_, times), placed in zip(texts, places, strict=True):
        if placed is None:
            yield Row(recording.name, times is not None, None, -np.inf)
            continue
        off = (placed.start - times[0], placed.end - times[1]) if times else (9.0, 9.0)
        yield Row(recording.name, times is not None, off, placed.confidence, placed.evidence)


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


Key = tuple[str, float, str]
"""Model, share of sentences missing, and way."""


def measured_rows(recordings: Sequence[Recording], models: Sequence[str], seeds: Sequence[int]) -> dict[Key, list[Row]]:
    """All ways on all texts."""
    results: dict[Key, list[Row]] = {}
    peers = installed_peers()
    seconds, minutes = Counter[str](), Counter[str]()
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
                    ways = {"vizinho": partial(ours, frames, aligner, tokens)}
                    if model == models[0]:  # it needs no model
                        ways["even split"] = partial(even, recording, written)
                    log_probs, numbered = _constant_rate(frames, aligner, step), _renumbered(aligner, tokens)
                    for name, peer in peers.items():
                        if not share or PEERS[name][1]:
                            ways[name] = partial(peer, log_probs, numbered, step)
                    for way, run in ways.items():
                        begun = time.process_time()
                        places = run()
                        seconds[way] += time.process_time() - begun
                        minutes[way] += recording.seconds / 60
                        results.setdefault((model, share, way), []).extend(rows_of(recording, texts, places))
            print(f"{model}: {recording.name}, {recording.seconds / 60:.1f} min", flush=True)
    spent = ", ".join(f"{way} {seconds[way] / minutes[way]:.3f}" for way in minutes)
    print(f"search, CPU s for a minute: {spent}")
    return results


def write_rows(path: Path, results: dict[Key, list[Row]]) -> None:
    lines = [json.dumps({"key": key, "row": asdict(row)}) for key, rows in results.items() for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_rows(path: Path) -> dict[Key, list[Row]]:
    """Rows of an earlier run, with the confidences of today's calibration."""
    results: dict[Key, list[Row]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        stored = json.loads(line)
        values = stored["row"]
        evidence = Evidence(**values["evidence"]) if values["evidence"] else None
        off = tuple(values["off"]) if values["off"] else None
        sure = confidence(evidence) if evidence else values["confidence"]
        row = Row(values["recording"], values["spoken"], off, sure, evidence)
        results.setdefault(tuple(stored["key"]), []).append(row)
    return results


def tables(results: dict[Key, list[Row]], out: Path | None) -> None:
    models = list(dict.fromkeys(model for model, *_ in results))
    measured = {key: with_interval(rows) for key, rows in results.items()}
    head = ["model", "missing", "way", "right", "median, s", "95 %, s", "recall at precision .99"]
    lines = []
    for (model, share, way), shown in measured.items():
        blind = way == "even split"
        cells = [shown["right"], shown["median"], shown["p95"], "-" if blind else shown["recall"]]
        lines.append(["none" if blind else model, f"{share:.0%}", way, *cells])
    print(f"\n{markdown(head, lines)}\n")
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
    """Fit confidences, and thresholds on languages that the fit has not seen, one after the other."""
    rows: list[Row] = []
    languages, groups = list[str](), list[str]()
    for model in models:
        for recording in recordings:
            lang = recording.utterances[0].lang
            aligner = aligner_of(model, lang, [u.text for u in (*recording.utterances, *recording.others[:200])])
            frames = aligner.frames(recording.path)
            for share in SHARES:
                for seed in seeds if share else seeds[:1]:
                    texts = corrupted(recording, share, seed, recording.others)
                    tokens = [aligner.tokens(aligner.normalizer(text)) for text, _ in texts]
                    new = [r for r in rows_of(recording, texts, ours(frames, aligner, tokens)) if r.evidence]
                    rows += new
                    languages += [lang] * len(new)
                    groups += [f"{model} {recording.path}"] * len(new)
            print(f"{model}: {lang}, {recording.name}, {recording.seconds / 60:.1f} min", flush=True)
    features = [row.evidence.features() for row in rows if row.evidence]
    names = list(features[0])
    X, y = np.array([list(f.values()) for f in features]), np.array([r.right for r in rows])
    # Every recording counts the same, however short its utterances are.
    counts = Counter(groups)
    weight = np.array([len(rows) / len(counts) / counts[group] for group in groups])
    held_out, of = np.zeros(len(rows)), np.array(languages)
    for language in set(languages):
        constant, weights = _fitted(X[of != language], y[of != language], weight[of != language])
        held_out[of == language] = 1 / (1 + np.exp(-(X[of == language] @ weights + constant)))
    sources = np.array([group.partition(" ")[2] for group in groups])
    thresholds = {}
    for precision in PRECISIONS:
        least = _threshold(held_out, y, sources, precision)
        if least is None:
            print(f"precision {precision:g} cannot be promised: no confidence reaches it on other languages")
            continue
        thresholds[f"{precision:g}"] = least
        sure = held_out >= least
        share = f"{y[sure].mean():.4f} of {sure.sum()} are right, {y[sure].sum() / y.sum():.2f} of what is right"
        print(f"precision {precision:g}: confidence {least}, {share}")
    constant, weights = _fitted(X, y, weight)
    values = {
        "weights": {"constant": round(constant, 4)}
        | dict(zip(names, (round(float(w), 4) for w in weights), strict=True)),
        "thresholds": thresholds,
    }
    path = Path(align_confidence.__file__).with_name("alignment.json")
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    print(f"{len(rows)} placements of {len(recordings)} recordings, {y.mean():.2f} right: {path}")


def _fitted(features: Floats, right: Floats, weight: Floats) -> tuple[float, Floats]:
    """Constant and weights of a logistic regression on standardised features, for the features as they are."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = features.mean(axis=0), features.std(axis=0)
    fitted = LogisticRegression(max_iter=1000).fit((features - mean) / scale, right, weight)
    weights = fitted.coef_[0] / scale
    return float(fitted.intercept_[0] - mean @ weights), weights


def _threshold(confidences: Floats, right: Floats, sources: Floats, precision: float) -> float | None:
    """The least confidence from which the lower 95 % bound of the precision is high enough, however it is bounded:
    recordings resampled, because faults come in clusters, and Clopper-Pearson, for where none of them has a fault."""
    names, source = np.unique(sources, return_inverse=True)
    draws = np.random.default_rng(1).integers(names.size, size=(RESAMPLES, names.size))
    for least in np.arange(0.5, 0.9991, 0.001):
        sure = confidences >= least
        counts, hits = (np.bincount(source, weights=which, minlength=names.size) for which in (sure, sure & right))
        if not counts.sum():
            return None
        resampled = np.percentile(hits[draws].sum(axis=1) / np.maximum(counts[draws].sum(axis=1), 1), 5)
        exact = beta.ppf(0.05, hits.sum(), counts.sum() - hits.sum() + 1)
        if min(resampled, exact) >= precision:
            return round(float(least), 3)
    return None


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
        right = sum(r.right for r in rows_of(recording, texts, ours(frames, aligner, tokens)))
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
    parser.add_argument("--rows", type=Path, help="every placement; where it exists, only the tables are made again")
    arguments = parser.parse_args()
    if arguments.rows and arguments.rows.exists():
        tables(read_rows(arguments.rows), arguments.out)
        return
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
            results = measured_rows(recordings, arguments.models, arguments.seeds)
            if arguments.rows:
                write_rows(arguments.rows, results)
            tables(results, arguments.out)


if __name__ == "__main__":
    main()
