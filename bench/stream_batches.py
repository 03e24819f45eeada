"""What one call for all streams that wait saves: CPU time for a second of one stream, each way, in alternating pairs.

Streams of speech without pauses, begun at different times, get 0.1 s each in turn. "Together" executes the messages of
all streams as a worker does whose messages wait; "alone" executes one after another. VAD, features and decoding are in
both. The model is one that was trained to stream, or the demo donor with the masks of such a model: its words mean
nothing then, its cost is that of such a model.

    python bench/stream_batches.py --speech es.jsonl --streams 16 64
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from surroundings import describe

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.stream import StreamOptions, StreamSession
from vizinho.recognition.together import Steps, together
from vizinho.store.store import BUNDLED

STEP = SAMPLE_RATE // 10
MARGIN = SAMPLE_RATE // 20
"""Samples around what is louder than a hundredth of a recording's peak."""


def without_silence(path: Path) -> Waveform:
    samples = load_audio(path)
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[max(0, loud[0] - MARGIN) : loud[-1] + MARGIN]


def joined(manifest: Path, seconds: float) -> Waveform:
    """So much speech of a manifest's recordings."""
    parts: list[Waveform] = []
    for line in manifest.read_text(encoding="utf-8").splitlines():
        parts.append(without_silence(manifest.parent / json.loads(line)["audio"]))
        if sum(part.size for part in parts) > seconds * SAMPLE_RATE:
            break
    return np.concatenate(parts)


def streaming_copy(folder: Path) -> Path:
    """The demo donor, marked as trained to stream."""
    from vizinho.model.checkpoint import load_checkpoint, save_checkpoint
    from vizinho.model.fast import Chunks, set_chunks

    checkpoint = load_checkpoint(BUNDLED / "es-demo" / "2")
    set_chunks(checkpoint.model, Chunks(16, 4))
    save_checkpoint(folder, checkpoint)
    return folder


def execute(works: list[Steps], shared: bool) -> None:
    if shared:
        for ended in together(works):
            assert all(isinstance(outcome, list) for _, outcome in ended), ended
    else:
        for work in works:
            execute([work], True)


def cost(recognizer: Recognizer, speech: Waveform, streams: int, seconds: float, shared: bool) -> float:
    """CPU milliseconds for each second of one stream."""
    sessions = [StreamSession(recognizer, StreamOptions()) for _ in range(streams)]
    places = np.random.default_rng(1).integers(0, speech.size, streams)
    length = int((seconds + 2.0) * SAMPLE_RATE)
    audio = [np.roll(speech, -int(place))[:length] for place in places]
    # What is measured begins when the streams are of different ages.
    for number, session in enumerate(sessions):
        session.accept(audio[number][: (number % 32) * STEP // 2])
    began, steps = time.process_time(), int(seconds * SAMPLE_RATE / STEP)
    for step in range(steps):
        at = [(number % 32) * STEP // 2 + step * STEP for number in range(streams)]
        blocks = [samples[i : i + STEP] for samples, i in zip(audio, at, strict=True)]
        execute([session.accepting(b) for session, b in zip(sessions, blocks, strict=True)], shared)
    return 1000 * (time.process_time() - began) / (streams * seconds)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", type=Path, help="folder of a model that was trained to stream")
    options.add_argument("--speech", type=Path, required=True, help="manifest of recordings to join")
    options.add_argument("--streams", type=int, nargs="+", default=[1, 4, 16, 64])
    options.add_argument("--seconds", type=float, default=6.0, help="audio of each stream")
    options.add_argument("--pairs", type=int, default=3)
    arguments = options.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("VIZINHO_HOME", home)
        recognizer = Recognizer.load(arguments.model or streaming_copy(Path(home) / "model"))
        if recognizer.live is None:
            raise SystemExit(f"{arguments.model} was not trained to stream")
        recognizer.live()
        speech = joined(arguments.speech, 60.0)
        print("| streams | alone, CPU ms a second | together | ratio of each pair | mean |\n|---|---|---|---|---|")
        for streams in arguments.streams:
            pairs = []
            for number in range(arguments.pairs):
                order = (False, True) if number % 2 else (True, False)
                pair = {shared: cost(recognizer, speech, streams, arguments.seconds, shared) for shared in order}
                pairs.append((pair[False], pair[True]))
            ratios = [alone / shared for alone, shared in pairs]
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            alone, shared = (float(np.median(side)) for side in zip(*pairs, strict=True))
            each = " ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"| {streams} | {alone:.1f} | {shared:.1f} | {each} | {mean:.2f} |", flush=True)


if __name__ == "__main__":
    main()
