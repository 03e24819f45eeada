"""Corpora of the case study with people: the language of each donor, and the neighbours of Portuguese pooled.

python examples/people/prepare.py --checked runs/people/corpora --out runs/people/corpora

Needs what `vizinho corpus check` wrote of es, en, fr, ca (run.sh) and $VIZINHO_SHARED/speech. Country names stay out of
donors: they are near-cognates everywhere, and the Portuguese test of words has them. Texts are normalised in their own
language; pooled rows are then marked "mul" (ISO 639: several languages), since a donor has one language.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vizinho.errors import VizinhoError
from vizinho.text.normalize import get_normalizer

SPEECH = Path(os.environ.get("VIZINHO_SHARED", "../shared")).resolve() / "speech"
NEIGHBOURS = ("es", "it", "fr", "ca", "gl", "ro", "ast")
CHECKED = ("es", "en", "fr", "ca")
"""Languages whose largest manifest has faults that a check takes out."""
POOLED_MINUTES = 60.0
Row = dict[str, Any]


def rows_of(language: str, checked: Path) -> list[Row]:
    """Every usable recording of a language, with absolute paths, all in train."""
    manifests = [SPEECH / "words" / f"{language}.jsonl", SPEECH / "more" / f"{language}.jsonl"]
    if language in CHECKED:
        manifests.insert(0, checked / f"{language}.clean.jsonl")
    normalize, rows = get_normalizer(language), []
    for manifest in (path for path in manifests if path.is_file()):
        for row in map(json.loads, manifest.read_text(encoding="utf-8").splitlines()):
            if "-geography-" in row["id"]:
                continue
            try:
                text = normalize(row["text"])
            except VizinhoError as error:
                print(f"{row['id']}: left out: {error}")
                continue
            audio = (manifest.parent / row["audio"]).resolve()
            rows.append(row | {"text": text, "audio": str(audio), "split": "train"})
    return rows


def minutes_of(rows: Iterable[Row]) -> float:
    return sum(row["duration"] for row in rows) / 60


def share_out(available: Mapping[str, float], total: float) -> dict[str, float]:
    """Minutes of each language so that they are as equal as they can be and sum to `total`."""
    shares: dict[str, float] = {}
    for position, language in enumerate(sorted(available, key=lambda name: available[name])):
        left = total - sum(shares.values())
        shares[language] = min(available[language], left / (len(available) - position))
    return shares


def drawn(rows: list[Row], minutes: float) -> list[Row]:
    """About so many minutes of the rows, at random."""
    chosen: list[Row] = []
    seconds = 0.0
    for row in random.Random(1).sample(rows, len(rows)):
        if seconds + row["duration"] <= minutes * 60:
            chosen.append(row)
            seconds += row["duration"]
    return chosen


def write(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    speakers = {row["speaker"] for row in rows}
    print(f"{path.name}: {len(rows)} utterances, {minutes_of(rows):.1f} minutes, {len(speakers)} speakers")


def main(options: argparse.Namespace) -> None:
    rows = {language: rows_of(language, options.checked) for language in (*NEIGHBOURS, "en")}
    for language in ("es", "en"):
        write(options.out / f"donor.{language}.jsonl", rows[language])
    shares = share_out({language: minutes_of(rows[language]) for language in NEIGHBOURS}, POOLED_MINUTES)
    print("pooled:", ", ".join(f"{language} {minutes:.1f}" for language, minutes in shares.items()), "minutes")
    pooled = [row for language, minutes in shares.items() for row in drawn(rows[language], minutes)]
    write(options.out / "donor.pooled.jsonl", [row | {"lang": "mul"} for row in pooled])
    everything = [row | {"lang": "mul"} for language in NEIGHBOURS for row in rows[language]]
    write(options.out / "donor.all-neighbours.jsonl", everything)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checked", type=Path, required=True, help="folder of the clean manifests")
    parser.add_argument("--out", type=Path, required=True)
    main(parser.parse_args())
