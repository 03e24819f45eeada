"""Splits the shared texts for the experiments with vectors: no text of a held-out document is learnt from.

Documents of the topics' tables are put on one side in all languages. Of the other texts a line is dropped when three
in ten of its word 4-grams occur in a held-out document: the same documentation is in several files, cleaned
differently. Writes train texts, topics and sentence pairs by side, and what was dropped.

    python examples/vectors/prepare.py ../shared/text runs/vectors/data
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from vizinho.files import write_json, write_text
from vizinho.languages.levels.dictionary import word_pairs
from vizinho.text_models.topics import DocumentSplit, Labelled, read_topics, split_documents
from vizinho.vectors.static import tokenize

LANGUAGES = ("es", "pt", "en")
GENERAL = {"es": ("es_gsd",), "pt": ("pt_bosque",), "en": ("en_ewt",)}
GRAM = 4
OVERLAP = 0.3
ATTRIBUTED = 0.5
"""Share of a pair's grams that one document must hold to be its document."""
LEAST_WORDS = 4

Gram = tuple[str, ...]


def word_grams(text: str) -> list[Gram]:
    words = tokenize([text])[0]
    return list(zip(*(words[i:] for i in range(GRAM)), strict=False))


class Held:
    """Grams of the documents that are not to be learnt from."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._lines, self._grams = set(), set()
        for text in texts:
            self._lines.add(" ".join(tokenize([text])[0]))
            self._grams.update(word_grams(text))

    def has(self, text: str) -> bool:
        found = word_grams(text)
        if not found:
            return " ".join(tokenize([text])[0]) in self._lines
        return sum(t in self._grams for t in found) >= OVERLAP * len(found)


def main(text: Path, out: Path) -> None:
    topics = {lang: read_topics(text / "topics" / f"{lang}.tsv") for lang in LANGUAGES}
    split = split_documents(e for rows in topics.values() for e in rows)
    held = {lang: Held(e.text for e in rows if e.document not in split.train) for lang, rows in topics.items()}
    report: dict[str, object] = {"left out topics": split.left_out}
    for lang, rows in topics.items():
        for side in ("train", "dev", "test"):
            chosen = split.of(rows, side)
            write_text(
                out / f"topics.{lang}.{side}.tsv", "".join(f"{e.topic}\t{e.document}\t{e.text}\n" for e in chosen)
            )
            report[f"topics {lang} {side}"] = {"sentences": len(chosen), "documents": len({e.document for e in chosen})}
        report[f"text {lang}"] = write_train_text(text, out, lang, split.of(rows, "train"), held[lang])
    report["pairs"] = write_pairs(text, out, topics, split, held)
    report["outside"] = write_outside(text, out)
    report["dictionary"] = write_dictionary(text, out)
    write_json(out / "report.json", report)
    print(json.dumps(report, ensure_ascii=False, indent=1))


def write_train_text(text: Path, out: Path, lang: str, labelled: list[Labelled], held: Held) -> dict[str, int]:
    """Training documents, the documentation's other sentences that are in no held-out document, and general prose."""
    documentation = (text / "sentences" / f"{lang}_python_docs.txt").read_text(encoding="utf-8").splitlines()
    general = [
        line
        for name in GENERAL[lang]
        for line in (text / "sentences" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    ]
    kept = [line for line in documentation if not held.has(line)]
    # A training document may quote a held-out one, too.
    own = [e.text for e in labelled if not held.has(e.text)]
    lines = list(dict.fromkeys([*own, *kept, *general]))
    write_text(out / f"{lang}.txt", "\n".join(lines) + "\n")
    return {"lines": len(lines), "words": sum(map(len, tokenize(lines))), "dropped": len(documentation) - len(kept)}


def write_pairs(
    text: Path, out: Path, topics: dict[str, list[Labelled]], split: DocumentSplit, held: dict[str, Held]
) -> dict[str, int]:
    """Spanish-Portuguese pairs by the side of the document they come from, as far as that can be told."""
    documents: dict[str, dict[Gram, set[str]]] = {"es": {}, "pt": {}}
    for lang, index in documents.items():
        for e in topics[lang]:
            for t in word_grams(e.text):
                index.setdefault(t, set()).add(e.document)
    sides: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    counts: Counter[str] = Counter()
    seen: dict[str, set[str]] = {"es": set(), "pt": set()}
    for line in (text / "parallel" / "python_docs_es_pt.tsv").read_text(encoding="utf-8").splitlines():
        es, pt = line.split("\t")
        if min(len(tokenize([es])[0]), len(tokenize([pt])[0])) < LEAST_WORDS or es in seen["es"] or pt in seen["pt"]:
            counts["short or twice"] += 1
            continue
        seen["es"].add(es)
        seen["pt"].add(pt)
        votes: Counter[str] = Counter()
        grams = [("es", t) for t in word_grams(es)] + [("pt", t) for t in word_grams(pt)]
        for lang, t in grams:
            votes.update(documents[lang].get(t, ()))
        # Of documents that hold as much the last by name, so that every run decides alike.
        document, most = max(votes.items(), key=lambda vote: (vote[1], vote[0]), default=("", 0))
        side = next((s for s in sides if document in getattr(split, s)), "none")
        if most < ATTRIBUTED * len(grams):
            document, side = "", "none"
        if side in ("train", "none"):
            if held["es"].has(es) or held["pt"].has(pt):
                counts["like held-out text"] += 1
                continue
            side = "train"
        counts[f"{side}{'' if document else ', document unknown'}"] += 1
        sides[side].append(line)
    for side, lines in sides.items():
        write_text(out / f"pairs.{side}.tsv", "\n".join(lines) + "\n")
    return dict(counts)


def write_outside(text: Path, out: Path) -> dict[str, int]:
    """Pairs from other kinds of text: news and encyclopaedia (PUD), law (UDHR), everyday sentences through English."""
    pud = {lang: pud_sentences(text / "treebanks" / f"{lang}_pud.conllu") for lang in ("es", "pt")}
    pairs = {"pud": [(pud["es"][i], pud["pt"][i]) for i in sorted(pud["es"].keys() & pud["pt"].keys())]}
    law = [
        (text / "sentences" / f"udhr_{lang}.txt").read_text(encoding="utf-8").splitlines() for lang in ("es", "pt-br")
    ]
    # The files run line by line in parallel but for the three lines in which the preamble ends.
    pairs["udhr"] = [p for i, p in enumerate(zip(*law, strict=True)) if i not in (9, 10, 11)]
    pairs["udhr"] = [p for p in pairs["udhr"] if min(len(s.split()) for s in p) >= LEAST_WORDS]
    by_english: dict[str, dict[str, str]] = {}
    for lang in ("es", "pt"):
        rows = (text / "parallel" / f"tatoeba_{lang}_en.tsv").read_text(encoding="utf-8").splitlines()
        by_english[lang] = {en: own for own, en in (row.split("\t") for row in rows)}
    both = sorted(by_english["es"].keys() & by_english["pt"].keys())
    pairs["tatoeba"] = [(by_english["es"][en], by_english["pt"][en]) for en in both]
    pairs["udhr.pt"] = european_and_brazilian(text)
    for name, rows in pairs.items():
        write_text(out / f"pairs.{name}.tsv", "".join(f"{a}\t{b}\n" for a, b in rows))
    return {name: len(rows) for name, rows in pairs.items()}


def write_dictionary(text: Path, out: Path) -> int:
    """Word pairs to test alignments on, mined from all sentence pairs: no alignment is learnt from them."""
    lines = (text / "parallel" / "python_docs_es_pt.tsv").read_text(encoding="utf-8").splitlines()
    es, pt = (tokenize(side) for side in zip(*(line.split("\t") for line in lines), strict=True))
    found = word_pairs(list(zip(pt, es, strict=True)))
    write_text(out / "dictionary.tsv", "".join(f"{theirs}\t{ours}\n" for ours, theirs in found))
    return len(found)


def european_and_brazilian(text: Path) -> list[tuple[str, str]]:
    """The Declaration in the two kinds of Portuguese, article by article where they have as many paragraphs."""
    articles = []
    for code in ("pt-pt", "pt-br"):
        found: list[list[str]] = [[]]
        for line in (text / "sentences" / f"udhr_{code}.txt").read_text(encoding="utf-8").splitlines():
            if line.startswith("Artigo"):
                found.append([])
            else:
                found[-1].append(line)
        articles.append(found[1:])
    return [
        pair
        for a, b in zip(*articles, strict=True)
        if len(a) == len(b)
        for pair in zip(a, b, strict=True)
        if min(len(s.split()) for s in pair) >= LEAST_WORDS
    ]


def pud_sentences(path: Path) -> dict[str, str]:
    found, name = {}, ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# sent_id = "):
            name = line.removeprefix("# sent_id = ")
        elif line.startswith("# text = "):
            found[name] = line.removeprefix("# text = ")
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
