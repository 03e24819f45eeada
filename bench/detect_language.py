"""How often the language is detected rightly, between the models given, on recordings of people and on practice speech.

    python bench/detect_language.py es-demo en-demo

Recordings come from $VIZINHO_SHARED/speech (all of a language's, or its test split where it has one), practice speech
from eSpeak NG's held-out voices. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import math
import os
import random
from collections.abc import Iterator
from pathlib import Path

from surroundings import describe

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.errors import AudioError
from vizinho.recognition.recognizer import Recognizer
from vizinho.server.workers.detect import DETECT_SECONDS, evidence
from vizinho.store.store import Store

Sample = tuple[str, Waveform]


def practice(language: str, words: int, count: int, seed: int) -> Iterator[Sample]:
    """Utterances of so many frequent words by held-out voices."""
    from wordfreq import top_n_list

    from vizinho.g2p.espeak import HELD_OUT_VARIANTS, Voice, synthesise, voices_of

    draw = random.Random(f"{seed} {language} {words}")
    frequent = top_n_list(language, 3000)
    for _ in range(count):
        voice = Voice(draw.choice(voices_of(language)), draw.choice(HELD_OUT_VARIANTS))
        yield language, synthesise(" ".join(draw.sample(frequent, words)), voice)


def people(language: str, count: int, seed: int) -> Iterator[Sample]:
    """Recordings of the shared corpora; files that cannot be read are counted and named."""
    from vizinho.corpora.manifest import read_manifest

    manifest = Path(os.environ.get("VIZINHO_SHARED", "../shared")) / "speech" / f"{language}.jsonl"
    if not manifest.is_file():
        print(f"no recordings of {language} at {manifest}")
        return
    utterances = read_manifest(manifest)
    utterances = [u for u in utterances if u.split == "test"] or utterances
    for utterance in random.Random(seed).sample(utterances, min(count, len(utterances))):
        try:
            yield language, load_audio(utterance.audio)
        except AudioError as error:
            print(f"left out: {error}")


def wilson(right: int, count: int) -> str:
    """A share with its interval."""
    if not count:
        return "none"
    share, z = right / count, 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return f"{share:.2f} [{middle - half:.2f}, {middle + half:.2f}] of {count}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("models", nargs="+")
    options.add_argument("--count", type=int, default=100, help="utterances for each language and kind")
    options.add_argument("--seed", type=int, default=11)
    given = options.parse_args()
    print(describe())
    store = Store()
    cards = [store.card(name) for name in given.models]
    models = {
        c.language.split("-")[0]: Recognizer.load(store.resolve(n))
        for c, n in zip(cards, given.models, strict=True)
        if c
    }
    kinds = {
        f"practice speech, {n} words": (lambda lang, n=n: practice(lang, n, given.count, given.seed)) for n in (1, 3, 6)
    }
    kinds["recordings of people"] = lambda lang: people(lang, given.count, given.seed)
    for kind, samples in kinds.items():
        for language in models:
            right = count = 0
            for _, audio in samples(language):
                heard = {k: evidence(t, audio[: int(DETECT_SECONDS * SAMPLE_RATE)], k) for k, t in models.items()}
                right, count = right + (max(heard, key=heard.__getitem__) == language), count + 1
            print(f"{kind}, {language}: {wilson(right, count)}")


if __name__ == "__main__":
    main()
