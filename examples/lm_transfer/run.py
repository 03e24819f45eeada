"""Moves Spanish and English language models to Portuguese and trains beside one from scratch; writes results.json.

    VIZINHO_SHARED=../shared python examples/lm_transfer/run.py --work runs/lm_transfer

Finished parts under --work are kept, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vizinho.evaluation.significance import blocks, percentiles
from vizinho.files import write_json
from vizinho.plan.tokens import RowOptions
from vizinho.text.normalize import get_normalizer
from vizinho.text_models.lstm import Architecture, build
from vizinho.text_models.lstm_folder import TrainedModel, load_model, save_model
from vizinho.text_models.lstm_scores import letter_shares, perplexity_of, sentence_scores
from vizinho.text_models.lstm_task import LmData, LmOptions, LmTask
from vizinho.text_models.lstm_transfer import AlignedVectors, transferred
from vizinho.text_models.texts import BLOCK, fingerprint, hold_out, read_texts
from vizinho.text_models.words import word_list
from vizinho.training.loop import fit
from vizinho.vectors.static import load_vectors, save_vectors, train_vectors

HERE = Path(__file__).parent
RESAMPLES = 2000
COMPARED = (
    ("es", "scratch"),
    ("en", "scratch"),
    ("es_spelling", "scratch"),
    ("es_fresh", "scratch"),
    ("en_spelling", "scratch"),
    ("es", "en"),
    ("es_spelling", "en_spelling"),
    ("es", "es_spelling"),
    ("es", "es_fresh"),
)


class Experiment:
    """Settings, texts and where finished parts lie."""

    def __init__(self, settings: dict[str, Any], work: Path) -> None:
        self.settings, self.work = settings, work
        self.folder = Path(os.environ.get("VIZINHO_SHARED", "../shared")) / "text" / "sentences"
        target = settings["target"]
        self.normalizer = get_normalizer(target["language"])
        texts = read_texts([self.folder / target["text"]], self.normalizer).sentences
        shares = [target["dev_share"], target["test_share"]]
        self.train, self.dev, self.test = hold_out(texts, shares, seed=1)
        model = settings["model"]
        self.shape = Architecture(width=model["width"], hidden=model["hidden"], layers=model["layers"])
        self.vocabulary = model["vocabulary"]

    def options(self, steps: int, rate: float, seed: int) -> LmOptions:
        training = self.settings["training"]
        return LmOptions(
            steps=steps,
            learning_rate=rate,
            batch_words=training["batch_words"],
            samples=training["samples"],
            evaluate_every=max(1, steps // training["evaluations"]),
            checkpoint_every=max(1, steps // training["evaluations"]),
            seed=seed,
        )

    def donor(self, code: str) -> tuple[TrainedModel, Path]:
        """The donor language's model and its static vectors, both from the same text."""
        donors = self.settings["donors"]
        model, vectors = self.work / f"donor-{code}", self.work / f"donor-{code}.bin"
        if not (model / "config.json").is_file():
            normalizer = get_normalizer(code)
            texts = read_texts([self.folder / donors[code]], normalizer).sentences
            rest, dev = hold_out(texts, [donors["dev_share"]], seed=1)
            train = cut(rest, donors["words"], seed=1)
            words = word_list(train, self.vocabulary)
            made = build(self.shape, len(words), None, seed=1)
            options = self.options(donors["steps"], donors["rate"], 1)
            data = LmData(train, dev, words, None)
            result = fit(LmTask(made, data), options, self.work / f"run-{code}", log=say(code))
            save_vectors(vectors, train_vectors(train))
            trained = TrainedModel(made, words, None, normalizer, letter_shares(train))
            card = {"words": count(train), "steps": options.steps, "dev_perplexity": result.dev_score}
            save_model(model, trained, card)
        return load_model(model), vectors

    def arm(self, name: str, amount: dict[str, int], rate: float, seed: int) -> dict[str, Any]:
        """One start trained on one amount of Portuguese with one seed: its curve, plan and scores on test."""
        label = f"{name}-{amount['words']}-{rate}-{seed}"
        path = self.work / "arms" / f"{label}.json"
        if path.is_file():
            return json.loads(path.read_text())
        train = cut(self.train, amount["words"], seed=1)
        words = word_list(train, self.vocabulary)
        arm = self.settings["arms"][name]
        plan = None
        if not arm:
            model = build(self.shape, len(words), None, seed)
        else:
            donor, theirs = self.donor(arm["donor"])
            vectors = None
            if arm["rows"] == "features":
                vectors = AlignedVectors(self.vectors(amount["words"], train), load_vectors(theirs))
            rows = RowOptions("fresh" if arm["rows"] == "fresh" else "features")
            model, plan = transferred(donor, words, None, rows, vectors, seed=seed)
        options = self.options(amount["steps"], rate, seed)
        data = LmData(train, self.dev, words, None)
        result = fit(LmTask(model, data), options, self.work / f"run-{label}", log=say(label))
        scores = sentence_scores(model, words, None, self.test)
        made = {
            "arm": name,
            "words": amount["words"],
            "rate": rate,
            "seed": seed,
            "curve": [[p.step, round(p.score, 2)] for p in result.curve],
            "best_step": result.best_step,
            "dev_perplexity": result.dev_score,
            "plan": plan.counts() if plan else None,
            "vocabulary": len(words),
            "scores": scores.tolist(),
        }
        write_json(path, made)
        return made

    def vectors(self, amount: int, train: list[list[str]]) -> Any:
        """Portuguese static vectors from the arm's own text: nothing that scratch does not see."""
        path = self.work / f"target-{amount}.bin"
        if not path.is_file():
            save_vectors(path, train_vectors(train))
        return load_vectors(path)


def cut(sentences: list[Any], words: int, seed: int) -> list[Any]:
    """Blocks of neighbouring sentences in random order, until they hold so many words."""
    pieces = [sentences[i : i + BLOCK] for i in range(0, len(sentences), BLOCK)]
    random.Random(f"cut {seed}").shuffle(pieces)
    found: list[Any] = []
    total = 0
    for sentence in (s for piece in pieces for s in piece):
        if total >= words:
            break
        found.append(sentence)
        total += len(sentence)
    return found


def count(sentences: list[Any]) -> int:
    return sum(map(len, sentences))


def say(label: str) -> Any:
    return lambda line: print(f"{label}: {line}", flush=True)


def choose_rates(experiment: Experiment) -> dict[str, float]:
    """The rate with the best mean dev perplexity on the first amount: for scratch and for each donor."""
    settings = experiment.settings
    chosen = {}
    for name in settings["training"]["rate_arms"]:
        tried = {
            rate: np.mean(
                [
                    experiment.arm(name, settings["amounts"][0], rate, seed)["dev_perplexity"]
                    for seed in settings["training"]["rate_seeds"]
                ]
            )
            for rate in settings["training"]["rates"]
        }
        print(name, tried, flush=True)
        chosen[name] = min(tried, key=tried.__getitem__)
    return chosen


def summary(arms: list[dict[str, Any]], scratch: list[dict[str, Any]]) -> dict[str, Any]:
    """Perplexity of one start at one amount, over its seeds, and its steps to the best of scratch (seed by seed)."""
    tests = [perplexity_of(np.array(a["scores"])) for a in arms]
    steps = []
    for arm, other in zip(arms, scratch, strict=True):
        reached = [s for s, value in arm["curve"] if value <= other["dev_perplexity"] + 0.005]
        steps.append(reached[0] if reached else None)
    return {
        "test_perplexity": float(np.mean(tests)),
        "by_seed": tests,
        "sd_over_seeds": float(np.std(tests, ddof=1)) if len(tests) > 1 else None,
        "start_dev_perplexity": float(np.mean([a["curve"][0][1] for a in arms])),
        "best_steps": [a["best_step"] for a in arms],
        "steps_to_best_of_scratch": steps,
        "curve": [[s, float(np.mean([a["curve"][i][1] for a in arms]))] for i, (s, _) in enumerate(arms[0]["curve"])],
        "plan": arms[0]["plan"],
        "vocabulary": arms[0]["vocabulary"],
    }


def comparison(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> dict[str, Any]:
    """Perplexity of the first relative to the second: test sentences and seeds drawn with replacement, paired."""
    ours, theirs = (np.array([a["scores"] for a in arms]) for arms in (first, second))
    difference = (theirs[:, :, 0] - ours[:, :, 0]).T  # sentences, seeds: loss of ours less loss of theirs
    words = ours[0, :, 1]
    rng = np.random.default_rng(12)
    drawn = []
    for size in blocks(len(words), RESAMPLES):
        seeds = rng.integers(0, difference.shape[1], size=(size, difference.shape[1]))
        for row, picks in enumerate(rng.integers(0, len(words), size=(size, len(words)))):
            drawn.append(difference[picks][:, seeds[row]].mean(axis=1).sum() / words[picks].sum())
    low, high = percentiles(np.exp(np.array(drawn)))
    return {
        "ratio": float(np.exp(difference.mean(axis=1).sum() / words.sum())),
        "interval": [float(low), float(high)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Path, default=HERE / "settings.toml")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    given = parser.parse_args()
    settings = tomllib.loads(given.settings.read_text())
    experiment = Experiment(settings, given.work)
    for part in ("train", "dev", "test"):
        print(f"{part}: {count(getattr(experiment, part)):,} words", flush=True)
    rates = choose_rates(experiment)
    results = []
    for amount in settings["amounts"]:
        arms = {
            name: [
                experiment.arm(name, amount, rates[arm.get("donor", "scratch")], seed)
                for seed in settings["training"]["seeds"]
            ]
            for name, arm in settings["arms"].items()
        }
        results.append(
            {
                **amount,
                "arms": {name: summary(found, arms["scratch"]) for name, found in arms.items()},
                "compared": {
                    f"{a} / {b}": comparison(arms[a], arms[b]) for a, b in COMPARED if a in arms and b in arms
                },
            }
        )
        write_json(
            given.out,
            {
                "settings": settings,
                "architecture": asdict(experiment.shape),
                "rates": rates,
                "test": {"words": count(experiment.test), "fingerprint": fingerprint(experiment.test)},
                "results": results,
            },
        )


if __name__ == "__main__":
    main()
