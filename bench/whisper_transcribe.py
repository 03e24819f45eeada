"""Transcribing with Whisper: vizinho against faster-whisper on the same weights, recordings, beam and thread.

Both compute in CTranslate2 with the same numbers (int8) and give times of words; ours computes the silence after the
speech at a few places (docs/runtime.md), theirs whole windows of 30 s. Sides alternate, each in a process of its own
for its peak memory; loading and the first recording are not counted.

    pip install faster-whisper      # not part of the project; CTranslate2 is (extra whisper)
    PYTHONPATH=bench .venv/bin/python bench/whisper_transcribe.py WHISPER MANIFEST --lang pt [--split test] [--pairs 3]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from surroundings import describe

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.corpora.manifest import read_manifest, select
from vizinho.evaluation.score import error_rates
from vizinho.text.normalize import get_normalizer

Side = Callable[[Waveform], str]
BEAM = 5


def ours(args: argparse.Namespace) -> Side:
    """Our recogniser, as `vizinho transcribe` opens it."""
    from vizinho.recognition.recognizer import Recognizer

    recognizer = Recognizer.load(args.whisper, threads=args.threads, language=args.lang)
    return lambda samples: recognizer.transcribe(samples).text


def theirs(args: argparse.Namespace) -> Side:
    """faster-whisper, as its README has it: beam search, times of words, no text before."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(args.converted), device="cpu", compute_type="int8", cpu_threads=args.threads)

    def transcribe(samples: Waveform) -> str:
        segments, _ = model.transcribe(samples, language=args.lang, beam_size=BEAM, word_timestamps=True)
        return " ".join(segment.text.strip() for segment in segments)

    return transcribe


SIDES: dict[str, Callable[[argparse.Namespace], Side]] = {"vizinho": ours, "faster-whisper": theirs}


def run_side(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds by the clock and of the processor, CER and peak memory of one side."""
    utterances = select(read_manifest(args.manifest), split=args.split)[: args.files]
    recordings = [load_audio(utterance.audio) for utterance in utterances]
    transcribe = SIDES[args.side](args)
    transcribe(recordings[0])
    wall, processor = time.perf_counter(), time.process_time()
    texts = [transcribe(samples) for samples in recordings]
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    normalize = get_normalizer(args.lang)
    references = {u.id: normalize(u.text) for u in utterances}
    heard = {u.id: normalize(text) for u, text in zip(utterances, texts, strict=True)}
    return {
        "wall": wall,
        "cpu": processor,
        "audio": sum(samples.size for samples in recordings) / SAMPLE_RATE,
        "cer": error_rates(references, heard)[0],
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Print both sides of each pair, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("whisper", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--side", choices=sorted(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--converted", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(run_side(args)))
        return
    from ctranslate2.converters import TransformersConverter

    print(describe())
    ratios: dict[str, list[float]] = {"wall": [], "cpu": []}
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "whisper"
        files = [name for name in ("tokenizer.json", "preprocessor_config.json") if (args.whisper / name).is_file()]
        TransformersConverter(str(args.whisper), copy_files=files).convert(str(converted), quantization="int8")
        for pair in range(args.pairs):
            facts = {}
            for side in list(SIDES) if pair % 2 == 0 else list(SIDES)[::-1]:
                command = [sys.executable, __file__, *sys.argv[1:], "--side", side, "--converted", str(converted)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
                facts[side] = fact = json.loads(done.stdout.splitlines()[-1])
                print(
                    f"{side:15} {fact['audio'] / fact['wall']:5.1f} times real time by the clock, "
                    f"{fact['audio'] / fact['cpu']:5.1f} of the processor, CER {fact['cer']:.3f}, {fact['mb']:,} MB",
                    flush=True,
                )
            for clock, values in ratios.items():
                values.append(facts["vizinho"][clock] / facts["faster-whisper"][clock])
    for clock, values in ratios.items():
        shown = ", ".join(f"{value:.2f}" for value in sorted(values))
        print(f"vizinho takes {statistics.median(values):.2f} of the time of faster-whisper, {clock} ({shown})")


if __name__ == "__main__":
    main()
