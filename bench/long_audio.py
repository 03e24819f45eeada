"""Long audio that is cut by the detector of speech, against the same recordings utterance by utterance.

Recordings are joined with pauses into one long file, which Transcriber takes block by block, as `vizinho transcribe`
does. The same transcriber then hears each recording alone: the best that cutting could do. Texts are joined on both
sides and compared with the joined reference, so words lost or doubled at a cut count. The times of the words are
compared with where each recording lies in the file.

    .venv/bin/python bench/long_audio.py [--model es-demo] [--files 120] [--pause 0.7] [--corpus MANIFEST]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

from vizinho.audio.io import SAMPLE_RATE, load_audio
from vizinho.corpora.manifest import read_manifest
from vizinho.evaluation.rates import error_rates
from vizinho.registry.store import Store
from vizinho.runtime.transcriber import Transcriber
from vizinho.text.normalize import get_normalizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="es-demo")
    parser.add_argument("--files", type=int, default=120)
    parser.add_argument("--pause", type=float, default=0.7, help="seconds between two recordings")
    parser.add_argument("--corpus", type=Path, help="manifest; Spanish recordings beside the project if left out")
    arguments = parser.parse_args()
    corpus = arguments.corpus or Path(os.environ.get("VIZINHO_SHARED", "../shared")) / "speech" / "es.jsonl"
    utterances = [u for u in read_manifest(corpus) if get_normalizer(u.lang)(u.text)]
    utterances = utterances[:: max(1, len(utterances) // arguments.files)][: arguments.files]
    waveforms = [load_audio(u.audio) for u in utterances]
    pause = np.zeros(round(arguments.pause * SAMPLE_RATE), np.float32)
    long = np.concatenate([part for samples in waveforms for part in (samples, pause)])
    transcriber = Transcriber.load(Store().resolve(arguments.model))

    begun = time.process_time()
    alone = " ".join(t.text for t in transcriber.transcribe_many(waveforms))
    between = time.process_time()
    session = transcriber.long()
    for start in range(0, long.size, 10 * SAMPLE_RATE):
        session.feed(long[start : start + 10 * SAMPLE_RATE])
    found = session.finish()
    ended = time.process_time()

    normalize = get_normalizer(utterances[0].lang)
    reference = normalize(" ".join(u.text for u in utterances))
    print(f"{len(waveforms)} recordings in one file of {long.size / SAMPLE_RATE:.0f} s, {arguments.pause} s apart")
    for name, text, seconds in (
        ("one by one", alone, between - begun),
        ("cut by the detector", found.text, ended - between),
    ):
        cer, wer = error_rates({"all": reference}, {"all": normalize(text)})
        print(f"{name:<20} CER {cer:.4f}, WER {wer:.4f}, {len(text.split())} words, {seconds:.2f} s of processor time")
    starts = np.cumsum([0, *(w.size + pause.size for w in waveforms)]) / SAMPLE_RATE
    ends = starts[:-1] + [w.size / SAMPLE_RATE for w in waveforms]
    outside = sum(
        not any(s - 0.1 <= (w.start_seconds + w.end_seconds) / 2 <= e + 0.1 for s, e in zip(starts, ends, strict=False))
        for w in found.words
    )
    print(f"{len(found.words)} words have times, {outside} of them lie in no recording")


if __name__ == "__main__":
    main()
