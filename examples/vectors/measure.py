"""Measures what examples/vectors/run.sh made: sentence retrieval and topics across languages, into results.json.

    python examples/vectors/measure.py runs/vectors

Choices (layer, centring, n-grams, penalties) are made on dev; each test set is looked at once.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from vizinho.files import write_json
from vizinho.text_models.topic_classifier import choose
from vizinho.text_models.topic_evaluate import compare_topics, score_topics
from vizinho.text_models.topics import Labelled, read_topics, topics_of
from vizinho.vectors.align import normalize
from vizinho.vectors.retrieval import distinct, read_pairs, retrieve, retrieve_by
from vizinho.vectors.sentences import StaticSentences, load_sentences
from vizinho.vectors.static import WordVectors, load_vectors
from vizinho.vectors.transformer import load_encoder

SETS = {"held-out documents": "test", "PUD": "pud", "UDHR": "udhr", "Tatoeba": "tatoeba"}
CENTRES = 2000
"""Training lines a language's mean is taken from."""


class Static:
    """Word vectors, one file a language."""

    def __init__(self, **files: Path) -> None:
        self._of = {lang: load_sentences(path) for lang, path in files.items()}

    def encode(self, lang: str, texts: list[str]) -> Any:
        return self._of[lang].encode(texts)


class Unaligned(Static):
    """The same vectors, each normalised as for an alignment but not turned."""

    def __init__(self, **files: Path) -> None:
        vectors = {lang: load_vectors(path) for lang, path in files.items()}
        self._of = {k: StaticSentences(WordVectors(v.words, normalize(v.matrix))) for k, v in vectors.items()}


class Joint:
    """One encoder for all languages; `centred` takes each language's own mean from its vectors."""

    def __init__(self, folder: Path, data: Path, layer: int = -1, *, centred: bool = False) -> None:
        self._encoder = load_encoder(folder, layer=layer)
        self._centres = {}
        for lang in ("es", "pt") if centred else ():
            lines = (data / f"{lang}.txt").read_text(encoding="utf-8").splitlines()
            self._centres[lang] = self._encoder.encode(lines[:: max(1, len(lines) // CENTRES)]).mean(axis=0)

    def encode(self, lang: str, texts: list[str]) -> Any:
        rows = self._encoder.encode(texts) - self._centres.get(lang, 0.0)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


class Spelling:
    """Character n-grams weighed by rarity: what neighbours' like spelling is worth without any vectors."""

    def __init__(self, data: Path, langs: tuple[str, ...], size: tuple[int, int], *, plain: bool) -> None:
        self._of = TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=size,
            sublinear_tf=True,
            min_df=5,
            strip_accents="unicode" if plain else None,
        )
        self._of.fit(line for lang in langs for line in (data / f"{lang}.txt").read_text("utf-8").splitlines())

    def encode(self, lang: str, texts: list[str]) -> Any:
        return self._of.transform(texts)


def main(out: Path) -> None:
    torch.set_num_threads(1)
    data = out / "data"
    systems, chosen = build(out, data)
    results = {"chosen on dev": chosen, "retrieval": retrieval(systems, data), "topics": topics(systems, out, data)}
    write_json(out / "results.json", results)
    show(results)


def build(out: Path, data: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The systems, with what can be chosen chosen by retrieval on the dev pairs."""
    dev = distinct(read_pairs(data / "pairs.dev.tsv"))
    chosen: dict[str, Any] = {}

    def best(name: str, made: dict[str, Any]) -> Any:
        scores = {how: found(system, dev).both.value for how, system in made.items()}
        how = max(scores, key=lambda key: scores[key])
        chosen[name] = {"chosen": how, "dev": {k: round(v, 4) for k, v in scores.items()}}
        return made[how]

    aligned = {"es": out / "es.turned.bin", "en": out / "en.turned.bin", "pt": out / "pt.normal.bin"}
    systems: dict[str, Any] = {
        "chance: static, unaligned": Unaligned(**{lang: out / f"{lang}.bin" for lang in aligned}),
        "spelling: character n-grams": best(
            "spelling",
            {
                f"{a}-{b} {'without marks' if plain else 'with marks'}": Spelling(
                    data, ("es", "pt", "en"), (a, b), plain=plain
                )
                for (a, b), plain in product([(2, 4), (3, 5)], [False, True])
            },
        ),
        "static, aligned": Static(**aligned),
    }
    layers = range(load_encoder(out / "mlm").layers + 1)
    systems["masked model"] = best("masked model", {f"layer {n}": Joint(out / "mlm", data, n) for n in layers})
    systems["masked model, centred"] = best(
        "masked model, centred", {f"layer {n}": Joint(out / "mlm", data, n, centred=True) for n in layers}
    )
    for name, folder in (("tuned on pairs", "tuned"), ("tuned on pairs, no masked model before", "fresh.tuned")):
        if (out / folder).is_dir():
            systems[name] = Joint(out / folder, data)
    return systems, chosen


def found(system: Any, pairs: list[tuple[str, str]], langs: tuple[str, str] = ("es", "pt"), **options: Any) -> Any:
    first, second = (
        system.encode(lang, list(side)) for lang, side in zip(langs, zip(*pairs, strict=True), strict=True)
    )
    if isinstance(first, np.ndarray):
        return retrieve(first, second, **options)
    return retrieve_by((first @ second.T).toarray(), **options)


def retrieval(systems: dict[str, Any], data: Path) -> dict[str, Any]:
    """Each system on each set by CSLS and by cosine; the ceiling are two Portuguese versions of one text."""
    made: dict[str, Any] = {}
    for name, file in SETS.items():
        pairs = distinct(read_pairs(data / f"pairs.{file}.tsv"))
        made[name] = {
            system: {
                "csls": asdict(found(encoder, pairs)),
                "cosine": asdict(found(encoder, pairs, scaled=False)),
            }
            for system, encoder in systems.items()
        }
    ceiling = distinct(read_pairs(data / "pairs.udhr.pt.tsv"))
    made["ceiling: UDHR, European and Brazilian Portuguese"] = {
        system: {"csls": asdict(found(encoder, ceiling, ("pt", "pt")))} for system, encoder in systems.items()
    }
    return made


def topics(systems: dict[str, Any], out: Path, data: Path) -> dict[str, Any]:
    """Classifiers trained on one language's documents, applied to Portuguese test documents."""
    rows = {
        (lang, side): read_topics(data / f"topics.{lang}.{side}.tsv")
        for lang in ("es", "en", "pt")
        for side in ("train", "dev", "test")
    }
    set_ups = [
        ("static, aligned", "es"),
        ("static, aligned", "en"),
        ("static, aligned", "pt"),
        ("chance: static, unaligned", "es"),
        ("spelling: character n-grams", "es"),
        ("spelling: character n-grams", "en"),
        ("spelling: character n-grams", "pt"),
        ("masked model, centred", "es"),
        ("masked model, centred", "pt"),
        ("tuned on pairs", "es"),
        ("tuned on pairs", "pt"),
    ]
    tested = rows["pt", "test"]
    encoded: dict[Any, Any] = {}
    predicted: dict[str, list[str]] = {"most frequent topic": most_frequent(rows["es", "train"], len(tested))}
    chosen = {}
    for system, lang in set_ups:
        if system not in systems:
            continue

        def vectors(lang: str, side: str, system: str = system) -> Any:
            key = system, lang, side
            if key not in encoded:
                encoded[key] = systems[system].encode(lang, [e.text for e in rows[lang, side]])
            return encoded[key]

        labels = {side: [e.topic for e in rows[lang, side]] for side in ("train", "dev")}
        name = f"{system}, learnt from {lang}"
        model, chosen[name] = choose(vectors(lang, "train"), labels["train"], vectors(lang, "dev"), labels["dev"])
        predicted[name] = model.predict(vectors("pt", "test"))
        print(name, chosen[name], file=sys.stderr, flush=True)
    reference = "static, aligned, learnt from en"
    return {
        "topics": list(topics_of(tested)),
        "scores": {name: asdict(score_topics(tested, labels)) for name, labels in predicted.items()},
        f"less {reference}": {
            name: asdict(compare_topics(tested, labels, predicted[reference])) for name, labels in predicted.items()
        },
        "chosen on dev": chosen,
    }


def most_frequent(train: list[Labelled], count: int) -> list[str]:
    names = [e.topic for e in train]
    return [max(sorted(set(names)), key=names.count)] * count


def show(results: dict[str, Any]) -> None:
    from vizinho.cli.emit import markdown

    for name, systems in results["retrieval"].items():
        lines = [
            [system, *(shown(ways["csls"][way]) for way in ("forward", "back", "both")), cosine(ways)]
            for system, ways in systems.items()
        ]
        floor = next(iter(systems.values()))["csls"]
        print(f"\n{name}: {floor['both']['n']} pairs, floor {floor['floor']:.4f}\n")
        print(markdown(["vectors", "es to pt", "pt to es", "both, by CSLS", "both, by cosine"], lines))
    lines = [
        [name, f"{s['accuracy']:.3f} {ends(s['accuracy_ci'])}", f"{s['macro_f1']:.3f} {ends(s['macro_f1_ci'])}"]
        for name, s in results["topics"]["scores"].items()
    ]
    print("\n" + markdown(["topics of Portuguese sentences", "accuracy", "macro-F1"], lines))


def cosine(ways: dict[str, Any]) -> str:
    return shown(ways["cosine"]["both"]) if "cosine" in ways else ""


def shown(share: dict[str, Any]) -> str:
    return f"{share['value']:.3f} {ends(share)}"


def ends(interval: dict[str, Any]) -> str:
    return f"[{interval['low']:.3f}, {interval['high']:.3f}]"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
