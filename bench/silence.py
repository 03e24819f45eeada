"""What silence beside speech costs: recordings with silence put around them, decoded whole and trimmed.

Each recording gets 0.5 to 2.5 s of silence at both ends: none, digital, or noise at a level below the speech's.

    .venv/bin/python bench/silence.py --model MODEL --corpus MANIFEST [--split dev] [--limit 200]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from surroundings import describe

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.corpora.manifest import read_manifest, select
from vizinho.evaluation.score import error_rates
from vizinho.recognition.recognizer import Recognizer, TranscribeOptions
from vizinho.store.store import Store
from vizinho.text.normalize import get_normalizer

LEVELS = {"digital silence": None, "noise at -50 dB": -50.0, "noise at -30 dB": -30.0, "noise at -15 dB": -15.0}


def surrounded(samples: Waveform, decibels: float | None, rng: np.random.Generator) -> Waveform:
    """Samples (N,) with silence at both ends; the noise of a level is on the speech too."""
    longer = np.pad(samples, tuple(rng.integers(SAMPLE_RATE // 2, 5 * SAMPLE_RATE // 2, 2)))
    if decibels is None:
        return longer
    level = np.sqrt(np.mean(np.square(samples))) * 10 ** (decibels / 20)
    return (longer + level * rng.standard_normal(longer.size)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--limit", type=int, default=200, help="this many recordings, drawn by chance")
    arguments = parser.parse_args()
    print(describe())
    rng = np.random.default_rng(1)
    utterances = select(read_manifest(arguments.corpus), split=arguments.split)
    utterances = [utterances[i] for i in rng.permutation(len(utterances))[: arguments.limit]]
    normalize = get_normalizer(utterances[0].lang)
    references = {u.id: normalize(u.text) for u in utterances}
    speech = [load_audio(u.audio) for u in utterances]
    folder = Store().resolve(arguments.model)
    ways = {
        "whole": Recognizer.load(folder, options=TranscribeOptions(trimming=None)),
        "trimmed": Recognizer.load(folder),
    }
    print(f"{len(speech)} recordings, {sum(s.size for s in speech) / SAMPLE_RATE:.0f} s of speech")
    surroundings = {"as recorded": speech}
    surroundings |= {name: [surrounded(s, level, rng) for s in speech] for name, level in LEVELS.items()}
    for name, waveforms in surroundings.items():
        rates = []
        for way, recognizer in ways.items():
            begun = time.process_time()
            transcripts = recognizer.transcribe_many(waveforms, list(references))
            spent = time.process_time() - begun
            texts = {t.id: normalize(t.text) for t in transcripts}
            rates.append(f"{way} CER {error_rates(references, texts)[0]:.3f} in {spent:.2f} s")
        print(f"{name}: {', '.join(rates)}", flush=True)


if __name__ == "__main__":
    main()
