"""Words of another language inside the target's speech: what a list of them as hotwords brings, and what it costs.

python bench/code_switching.py MODEL ... --target pt.clean.jsonl --other it.jsonl --work runs/switching

Each utterance is a word of the target, one of the other language and one of the target again, a quarter of a second
apart. The boost is chosen on dev words with half of the other words; test has the rest. The list has all words of the
other recordings, said or not.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vizinho.audio.io import SAMPLE_RATE, load_audio, save_audio
from vizinho.corpora.manifest import read_manifest
from vizinho.decoding.setup import DecoderSpec, own_decoder
from vizinho.evaluation.score import error_rates
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.store.store import Store
from vizinho.text.normalize import get_normalizer
from vizinho.text_models.search import read_search

PAUSE = np.zeros(SAMPLE_RATE // 4, np.float32)
BOOSTS = (2.0, 4.0, 6.0, 9.0, 13.0)
"""Nats; the first that are tried below the default of 5 and above."""


def mixed(target: Sequence[Utterance], other: Sequence[Utterance], folder: Path) -> list[Utterance]:
    """One utterance for each word of `other`, between words of `target`."""
    rng = random.Random(1)
    folder.mkdir(parents=True, exist_ok=True)
    utterances = []
    for number, foreign in enumerate(other):
        before, after = rng.sample(list(target), 2)
        sounds = [load_audio(u.audio) for u in (before, foreign, after)]
        samples = np.concatenate([sounds[0], PAUSE, sounds[1], PAUSE, sounds[2]])
        path = folder / f"{number:03d}.flac"
        save_audio(path, samples)
        text = f"{before.text} | {foreign.text} | {after.text}"
        utterances.append(
            replace(before, id=path.stem, audio=path, text=text, duration_seconds=samples.size / SAMPLE_RATE)
        )
    return utterances


def errors(texts: Mapping[str, str], utterances: Sequence[Utterance]) -> tuple[float, float, float]:
    """CER, WER, and the share of utterances that have the foreign words as they are."""
    normalize = get_normalizer(utterances[0].lang)
    references = {u.id: normalize(u.text.replace("|", " ")) for u in utterances}
    recalled = [f" {normalize(u.text.split('|')[1])} " in f" {texts[u.id]} " for u in utterances]
    return *error_rates(references, texts), float(np.mean(recalled))


def decoded(
    recognizer: Recognizer, utterances: Sequence[Utterance], specs: Mapping[str, DecoderSpec | None]
) -> dict[str, dict[str, str]]:
    """Texts by way of decoding and utterance."""
    ways = {name: recognizer.with_decoder(spec and recognizer.beam(spec)) for name, spec in specs.items()}
    texts: dict[str, dict[str, str]] = {name: {} for name in ways}
    for acoustics in recognizer.corpus_log_probs(utterances, lambda *_: None):
        for name, way in ways.items():
            texts[name][acoustics.id] = way.decode(acoustics).text
    return texts


def main(options: argparse.Namespace) -> None:
    target, other = read_manifest(options.target), read_manifest(options.other)
    short = [u for u in other if len(u.text.split()) <= 2 and u.text]
    random.Random(2).shuffle(short)
    chosen, held_out = short[::2], short[1::2]
    dev = mixed([u for u in target if u.split == "dev"], chosen, options.work / "dev")
    test = mixed([u for u in target if u.split == "test"], held_out, options.work / "test")
    listed = sorted({u.text for u in short})
    rows = []
    for model in options.models:
        folder = Store().resolve(model)
        recognizer = Recognizer.load(folder)
        own_file = own_decoder(folder)
        own = read_search(own_file) if own_file else DecoderSpec()
        boosted = {nats: replace(own, listed=dict.fromkeys(listed, nats)) for nats in BOOSTS}
        on_dev = decoded(recognizer, dev, {f"{nats:g}": spec for nats, spec in boosted.items()})
        best = min(BOOSTS, key=lambda nats: errors(on_dev[f"{nats:g}"], dev)[0])
        with_list = f"with {len(listed)} of the other's words, {best:g} nats each"
        specs = {"greedy": None, "the model's own words": own, with_list: boosted[best]}
        for name, texts in decoded(recognizer, test, specs).items():
            cer, wer, recalled = errors(texts, test)
            rows.append({"model": model, "way": name, "cer": cer, "wer": wer, "recalled": recalled})
            rates = f"CER {cer:.3f}, WER {wer:.3f}, the other's words right in {recalled:.2f} of {len(test)}"
            print(f"{model}, {name}: {rates}", flush=True)
    (options.work / "switching.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="recognisers of the target in the store, or folders")
    parser.add_argument("--target", type=Path, required=True, help="manifest of single words with dev and test")
    parser.add_argument("--other", type=Path, required=True, help="manifest of single words of the other language")
    parser.add_argument("--work", type=Path, required=True)
    main(parser.parse_args())
