"""When the words of a live stream come: delay of interim and final words, cost, and error rates.

    taskset -c 0 .venv/bin/python bench/live_words.py whisper-base ../shared/speech/pt_read.jsonl --lang pt --most 20

Recordings come in blocks of a tenth of a second, at the pace of speech, each with a second of silence after it. The
clock is simulated: a block is computed when it is there and all blocks before it are done, and takes the processor's
time of this process, as on a core of its own. The delay of a word is from its end in the recording to its result.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from surroundings import describe

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.corpora.manifest import read_manifest, select
from vizinho.evaluation.score import score
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.stream import Event, Final, Partial, StreamSession
from vizinho.store.store import Store
from vizinho.text.normalize import get_normalizer

BLOCK = SAMPLE_RATE // 10
SILENCE_SECONDS = 1.0


@dataclass
class Measured:
    """Delays in seconds, of the words of all streams."""

    final: list[float] = field(default_factory=list)
    interim: list[float] = field(default_factory=list)
    """Of the first result that has a word in this place, final or not."""
    at_end: list[float] = field(default_factory=list)
    """If words were final at the end of their utterance alone."""
    early: int = 0
    """Words that were final before their utterance ended."""
    computed: float = 0.0
    audio: float = 0.0


def timed_events(recognizer: Recognizer, samples: Waveform, measured: Measured) -> Iterator[tuple[float, Event]]:
    """Events with the moment, in seconds from the beginning of the recording, when they are there."""
    session, now = StreamSession(recognizer), 0.0
    blocks = [samples[start : start + BLOCK] for start in range(0, samples.size, BLOCK)]
    for number, block in enumerate([*blocks, None], start=1):
        began = time.process_time()
        events = session.finish() if block is None else session.accept(block)
        took = time.process_time() - began
        measured.computed += took
        now = max(now, min(number * BLOCK, samples.size) / SAMPLE_RATE) + took
        yield from ((now, event) for event in events)


def stream(recognizer: Recognizer, samples: Waveform, measured: Measured) -> str:
    """The final text of a recording as a stream."""
    texts: list[str] = []
    shown, waiting = 0, list[float]()
    for now, event in timed_events(recognizer, samples, measured):
        if not isinstance(event, Partial | Final):
            continue
        for place, word in enumerate(event.words, start=len(texts) + 1):
            if place > shown:
                measured.interim.append(now - word.end_seconds)
        shown = max(shown, len(texts) + len(event.words))
        if isinstance(event, Final):
            measured.final += [now - word.end_seconds for word in event.words]
            measured.early += 0 if event.speech_final else len(event.words)
            texts += [word.text for word in event.words]
            waiting += [word.end_seconds for word in event.words]
            if event.speech_final:
                measured.at_end += [now - end for end in waiting]
                waiting.clear()
    measured.audio += samples.size / SAMPLE_RATE
    return " ".join(texts)


def report(measured: Measured) -> None:
    for name, delays in (
        ("interim", measured.interim),
        ("final", measured.final),
        ("final, if only at the end of utterances", measured.at_end),
    ):
        print(f"{name}: median {statistics.median(delays):.2f} s, 95 % within {np.quantile(delays, 0.95):.2f} s")
    print(f"final before the utterance ended: {measured.early} of {len(measured.final)} words")
    print(f"computing: {measured.computed / measured.audio:.2f} s for each second of audio")


def main(arguments: argparse.Namespace) -> None:
    print(describe())
    folder = Store().resolve(arguments.model)
    recognizer = Recognizer.load(folder, threads=1, language=arguments.lang)
    normalize = get_normalizer(arguments.lang)
    utterances = select(read_manifest(arguments.corpus), split=arguments.split)[: arguments.most]
    references = {u.id: normalize(u.text) for u in utterances}
    silence = np.zeros(round(SILENCE_SECONDS * SAMPLE_RATE), np.float32)
    recordings = {u.id: np.concatenate([load_audio(u.audio), silence]) for u in utterances}
    recognizer.transcribe(next(iter(recordings.values())))  # what is loaded on first use is no delay of a word
    measured = Measured()
    texts = {id_: normalize(stream(recognizer, samples, measured)) for id_, samples in recordings.items()}
    whole = {id_: normalize(recognizer.transcribe(samples).text) for id_, samples in recordings.items()}
    print(f"{len(texts)} recordings, {measured.audio / 60:.1f} minutes")
    report(measured)
    for name, hypotheses in (("streamed", texts), ("whole", whole)):
        rates = score(references, hypotheses, normalizer=normalize.name, data_fingerprint="")
        print(f"{name}: CER {rates.cer:.3f}, WER {rates.wer:.3f}")


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--most", type=int, default=20)
    return parser.parse_args(words)


if __name__ == "__main__":
    main(parsed())
