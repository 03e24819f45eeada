"""How well people are told apart: conversations mixed of recordings of people, whose turns are known.

    VIZINHO_SHARED=../shared .venv/bin/python bench/speakers.py [--set test] [--conversations 16] [--apart .4 .45 .5]

A conversation has one to four people, 24 turns of one to three recordings, pauses of .1 to .5 s. Words are not
recognised: every recording counts as words of .4 s without pauses, so that nothing but the voices is measured. The
error is the share of words with the wrong person, after the best matching of names. The threshold was chosen on dev.
With --live: people are told apart as in a stream, when utterances end. With --known: how well people are recognised by
a reference of their voice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from surroundings import describe

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.evaluation.significance import bootstrap_sums, percentiles
from vizinho.recognition import speakers
from vizinho.recognition.cutting import CutOptions, Cutter
from vizinho.recognition.stream_speakers import StreamSpeakers
from vizinho.records import Transcript, Word

SPEECH = Path(os.environ.get("VIZINHO_SHARED", "../shared")) / "speech"
SETS = {
    "dev": ("es.jsonl", "fr.jsonl", "en.jsonl", "words/ro.jsonl", "words/de.jsonl"),
    "test": ("pt_read.jsonl", "words/ru.jsonl", "words/el.jsonl", "words/bg.jsonl", "words/da.jsonl"),
}
SHORTEST_SECONDS, FEWEST = 1.5, 4
WORD_SECONDS = 0.4


def people(manifests: Sequence[str]) -> dict[str, list[Path]]:
    """Recordings of every person who has some."""
    by_name: dict[str, list[Path]] = defaultdict(list)
    for manifest in manifests:
        for row in map(json.loads, (SPEECH / manifest).read_text(encoding="utf-8").splitlines()):
            if row["duration"] >= SHORTEST_SECONDS and row["speaker"] and not row["speaker"].startswith("unknown"):
                by_name[row["speaker"]].append((SPEECH / manifest).parent / row["audio"])
    return {name: files for name, files in by_name.items() if len(files) >= FEWEST}


def conversation(
    of: dict[str, list[Path]], chosen: Sequence[str], rng: random.Random
) -> tuple[Waveform, list[Word], list[int]]:
    """Samples, words, and who of the chosen people says each."""
    parts, words, who, size, before = [], [], [], 0, ""
    for _turn in range(24):
        before = rng.choice([name for name in chosen if name != before] or chosen)
        for _ in range(rng.choice((1, 1, 2, 3))):
            samples = load_audio(rng.choice(of[before]))
            samples = samples / (np.abs(samples).max() + 1e-6) / 2
            for start in np.arange(0.0, samples.size / SAMPLE_RATE - WORD_SECONDS, WORD_SECONDS):
                at = size / SAMPLE_RATE + start
                words.append(Word("x", at, at + WORD_SECONDS, 1.0))
                who.append(chosen.index(before))
            pause = np.zeros(int(rng.uniform(0.1, 0.5) * SAMPLE_RATE), np.float32)
            parts += [samples, pause]
            size += samples.size + pause.size
    return np.concatenate(parts).astype(np.float32), words, who


def wrong(words: Sequence[Word], who: Sequence[int]) -> int:
    """Words with the wrong person."""
    pairs = np.zeros((max(who) + 1, max(w.speaker or 0 for w in words)))
    np.add.at(pairs, (who, [(w.speaker or 0) - 1 for w in words]), 1)
    return len(words) - int(pairs[linear_sum_assignment(-pairs)].sum())


def of_known_people(of: dict[str, list[Path]], thresholds: Sequence[float]) -> None:
    """Everybody from two halves of their recordings: references of 2, 3 and 6 s, and 5 and 10 s to recognise."""
    halves = {name: len(files) // 2 for name, files in of.items()}
    before = [files[: halves[name]] for name, files in of.items()]
    after = [files[halves[name] :] for name, files in of.items()]
    references = {seconds: voices(before, seconds) for seconds in (2, 3, 6)}
    spoken = {seconds: voices(after, seconds) for seconds in (5, 10)}
    distances = np.stack([1 - r @ s.T for r in references.values() for s in spoken.values()])
    same = np.eye(len(of), dtype=bool)
    own, others = distances[:, same], distances[:, ~same]
    print("| threshold | people not recognised | pairs of people taken for one |\n|---|---|---|")
    for apart in thresholds:
        print(f"| {apart} | {(own >= apart).sum()} of {own.size} | {(others < apart).sum()} of {others.size} |")


def voices(files: Sequence[Sequence[Path]], seconds: int) -> np.ndarray:
    """Each person's voice from so many seconds."""
    samples = [np.concatenate([load_audio(path) for path in of_one[:8]]) for of_one in files]
    return np.stack([speakers.voice(of_one[: seconds * SAMPLE_RATE]) for of_one in samples])


def told_live(samples: Waveform, words: Sequence[Word]) -> list[Word]:
    """Words with their speakers, as a stream tells them, without those that are in no utterance."""
    people, cutter, told = StreamSpeakers(), Cutter(CutOptions()), []
    for piece in [*cutter.feed(samples), *cutter.flush()]:
        start, end = piece.start_sample / SAMPLE_RATE, min(piece.end_sample / SAMPLE_RATE, piece.until_seconds)
        until = told[-1].end_seconds if told else 0.0
        inside = [w for w in words if start <= (w.start_seconds + w.end_seconds) / 2 < end and w.end_seconds > until]
        told += people.told(piece, inside)
    return told


def blocks(samples: Waveform) -> Iterator[Waveform]:
    return (samples[first : first + SAMPLE_RATE] for first in range(0, samples.size, SAMPLE_RATE))


def main(options: argparse.Namespace) -> None:
    print(describe())
    of, rng = people(SETS[options.set]), random.Random(options.seed)
    print(f"{options.set}: {len(of)} people; {options.conversations} conversations")
    if options.known:
        of_known_people(of, options.apart)
        return
    mixed = [conversation(of, rng.sample(sorted(of), 1 + n % 4), rng) for n in range(options.conversations)]
    print("| threshold | words with the wrong person | people heard - people there, mean |\n|---|---|---|")
    for apart in options.apart if options.live else [*options.apart, None]:
        speakers.APART = apart or speakers.APART
        rows, extra = [], []
        for samples, words, who in mixed:
            transcript = Transcript("", "", tuple(words), 1.0, samples.size / SAMPLE_RATE)
            if options.live:
                told = told_live(samples, words)
                person = {word.start_seconds: one for word, one in zip(words, who, strict=True)}
                who = [person[word.start_seconds] for word in told]
            else:
                told = speakers.with_speakers(transcript, blocks(samples), None if apart else len(set(who))).words
            rows.append([wrong(told, who), len(told)])
            extra.append(max(w.speaker or 0 for w in told) - len(set(who)))
        counts = np.array(rows, dtype=float)
        drawn = bootstrap_sums(counts, np.random.default_rng(1), 2000)
        low, high = percentiles(drawn[:, 0] / drawn[:, 1])
        rate = counts[:, 0].sum() / counts[:, 1].sum()
        print(f"| {apart or 'number known'} | {rate:.3f} [{low:.3f}, {high:.3f}] | {np.mean(extra):+.2f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, default="dev")
    parser.add_argument("--conversations", type=int, default=16)
    parser.add_argument("--apart", type=float, nargs="*", default=[speakers.APART])
    parser.add_argument("--live", action="store_true", help="as in a stream")
    parser.add_argument("--known", action="store_true", help="people recognised by a reference; --apart is KNOWN_APART")
    parser.add_argument("--seed", type=int, default=1)
    main(parser.parse_args())
