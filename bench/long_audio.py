"""What cutting costs: recordings joined to one long one per speaker, against each recording by itself.

The texts are known, so CER and WER of the long recording, cut by the voice detector, stand beside those of the single
ones. Between recordings there is faint noise, `--gaps` seconds of it.

    .venv/bin/python bench/long_audio.py [--model es-demo] [--corpus MANIFEST] [--split SPLIT] [--gaps 0.2 0.6 1.0]
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from surroundings import describe

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.corpora.manifest import read_manifest, select
from vizinho.evaluation.score import error_rates
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.store.store import Store
from vizinho.text.normalize import get_normalizer


def joined(utterances: Sequence[Utterance], gap_seconds: float) -> Iterator[Waveform]:
    """Recordings and faint noise in turn; one at a time in memory."""
    rng = np.random.default_rng(1)
    for utterance in utterances:
        yield load_audio(utterance.audio)
        yield rng.normal(0.0, 1e-4, round(gap_seconds * SAMPLE_RATE)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="es-demo")
    parser.add_argument("--corpus", type=Path, help="manifest; Spanish recordings beside the project if left out")
    parser.add_argument("--split", help="only this split")
    parser.add_argument("--gaps", type=float, nargs="+", default=[0.2, 0.6, 1.0])
    arguments = parser.parse_args()
    print(describe())
    corpus = arguments.corpus or Path(os.environ.get("VIZINHO_SHARED", "../shared")) / "speech" / "es.jsonl"
    utterances = select(read_manifest(corpus), split=arguments.split)
    normalize = get_normalizer(utterances[0].lang)
    speakers: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        if normalize(utterance.text):
            speakers[utterance.speaker].append(utterance)
    references = {speaker: " ".join(normalize(u.text) for u in own) for speaker, own in speakers.items()}
    recognizer = Recognizer.load(Store().resolve(arguments.model))
    single = {
        speaker: " ".join(normalize(t.text) for t in recognizer.transcribe_many([load_audio(u.audio) for u in own]))
        for speaker, own in speakers.items()
    }
    cer, wer = error_rates(references, single)
    print(f"{sum(map(len, speakers.values()))} recordings of {len(speakers)} speakers: CER {cer:.4f}, WER {wer:.4f}")
    for gap in arguments.gaps:
        heard, seconds, begun = {}, 0.0, time.process_time()
        for speaker, own in speakers.items():
            transcript = recognizer.transcribe(joined(own, gap), speaker)
            heard[speaker], seconds = normalize(transcript.text), seconds + transcript.duration_seconds
        cer, wer = error_rates(references, heard)
        speed = seconds / (time.process_time() - begun)
        rates = f"CER {cer:.4f}, WER {wer:.4f}, {speed:.0f} x real time"
        print(f"joined with {gap:.1f} s between: {seconds / 60:.1f} min, {rates}")


if __name__ == "__main__":
    main()
