"""Seconds of decoding per second of audio on one core: beam search with a trigram, greedy, and the network before them.

All in one run on the same log-probabilities of the tiny model (25 frames a second), in turns; seconds are those that
the process had a core for, so that a busy machine does not make them longer. The word trigram is trained on the spot
from a text and a list of frequent words.

    taskset -c 0 .venv/bin/python bench/beam.py [--words 200000] [--corpus MANIFEST] [--text FILE]
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from surroundings import describe

from vizinho.audio.io import SAMPLE_RATE, load_audio
from vizinho.corpora.manifest import read_manifest
from vizinho.corpora.synthetic import practice_corpus
from vizinho.decoding.beam import BeamDecoder, letters_of
from vizinho.decoding.greedy import greedy
from vizinho.decoding.lm.model import LanguageModel, load_language_model
from vizinho.decoding.lm.train import LmOptions, Source, frequency_list, text_file, train_language_model
from vizinho.decoding.options import BeamOptions
from vizinho.recognition.engines import TorchEngine
from vizinho.store.store import Store
from vizinho.text.normalize import get_normalizer

LIMIT = 0.05
"""Real-time factor that a search with a lexicon may have."""


def language_model(text: Path, letters: frozenset[str], unit: str, order: int, words: int) -> LanguageModel:
    path = Path(tempfile.mkdtemp()) / f"{unit}.arpa"

    def sources() -> Iterator[Source]:
        yield text_file(text)
        yield frequency_list("es", most=words, once=True)

    card, _ = train_language_model(path, sources(), LmOptions(unit, order), get_normalizer("es"), letters)
    print(f"{unit} {order}-gram: {' + '.join(f'{size:,}' for size in card.sizes)} n-grams")
    return load_language_model(path)


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--words", type=int, default=200_000)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--utterances", type=int, default=20)
    parser.add_argument("--corpus", type=Path, help="Spanish manifest; practice speech is made if left out")
    parser.add_argument("--text", type=Path, default=Path("src/vizinho/corpora/phrasebook/es.txt"))
    arguments = parser.parse_args()
    print(describe())
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    engine = TorchEngine.load(Store().resolve("es-demo"))
    corpus = arguments.corpus or practice_corpus("es", 2, Path("runs/bench/es"), seed=31)
    waveforms = [load_audio(u.audio) for u in read_manifest(corpus)[: arguments.utterances]]
    audio_seconds = sum(w.size for w in waveforms) / SAMPLE_RATE
    heard = [engine.log_probs([w])[0] for w in waveforms]
    inventory, blank = engine.inventory, engine.blank
    letters = letters_of(inventory)
    words = language_model(arguments.text, letters, "word", 3, arguments.words)
    characters = language_model(arguments.text, letters, "char", 5, arguments.words)
    begun = time.process_time()
    searches = {
        "beam alone": BeamDecoder(inventory),
        "beam, character 5-gram": BeamDecoder(inventory, letters=characters),
        "beam, words": BeamDecoder(inventory, words=words),
        "beam, words, unknown ones spelt": BeamDecoder(inventory, words=words, letters=characters),
    }
    print(f"{len(words.unigrams):,} words; two trees built in {time.process_time() - begun:.1f} s")
    decoders = {
        f"{name}, width {width}": search.with_options(BeamOptions(beam_width=width))
        for width in arguments.widths
        for name, search in searches.items()
    }
    ways: dict[str, Callable[[], object]] = {
        "network": lambda: [engine.log_probs([w]) for w in waveforms],
        "greedy": lambda: [greedy(frames, blank) for frames in heard],
    }
    for name, decoder in decoders.items():
        ways[name] = lambda decoder=decoder: [decoder(frames) for frames in heard]
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(arguments.rounds):
        for name in list(ways)[:: 1 if round_ % 2 else -1]:
            taken[name].append(seconds(ways[name]) / audio_seconds)
    frames = sum(len(f) for f in heard)
    print(
        f"{len(waveforms)} utterances, {audio_seconds:.0f} s, {frames / audio_seconds:.1f} frames a second, one thread"
    )
    median = {name: statistics.median(found) for name, found in taken.items()}
    for name, found in median.items():
        print(
            f"{name}: real-time factor {found:.4f} (from {min(taken[name]):.4f} to {max(taken[name]):.4f}), "
            f"{found / median['greedy']:.1f} x greedy, {found / median['network']:.2f} x network"
        )
    for width in arguments.widths:
        factor = median[f"beam, words, unknown ones spelt, width {width}"]
        print(f"width {width}: {factor:.4f}, at most {LIMIT} asked: {'met' if factor <= LIMIT else 'NOT met'}")


if __name__ == "__main__":
    main()
