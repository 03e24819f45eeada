"""Copies the demo donors from the store into the package, with a note on what they are and their scores on people.

VIZINHO_HOME=runs/home .venv/bin/python examples/demo_donors/bundle.py
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

from vizinho.store.card import Card, read_card
from vizinho.store.folder import write_card
from vizinho.store.store import BUNDLED, Store

VERSION = 2
"""Of both donors: the one before is in the history."""
NOTES = (
    "A donor for demonstrations: it has heard only a formant synthesiser, so it is of little use on people. Made by "
    "examples/demo_donors/run.sh from the project's phrase book and frequent words (wordfreq). The synthesised corpus "
    "depends on the version of that code and of eSpeak NG; the data's fingerprint says which one this was."
)

PEOPLE = Path("runs/demo_donors")
"""Where run.sh evaluates each donor on recordings of people (NAME.json)."""


def scores_of(name: str, card: Card) -> list[Any]:
    """The card's scores and, where it was measured, the one on people, whom the donor never heard."""
    measured = PEOPLE / f"{name}.json"
    own = [score for score in card.scores if score["split"] != "test"]
    if not measured.is_file():
        return list(card.scores)
    values = json.loads(measured.read_text(encoding="utf-8"))
    rates = {key: values[key] for key in ("cer", "wer", "cer_ci", "wer_ci", "utterances", "signature")}
    return [*own, {"split": "test", "data": "recordings of people (prompts, captions, single words)"} | rates]


def main() -> None:
    for name in ("es-demo", "en-demo"):
        target, newest = BUNDLED / name / str(VERSION), Store().resolve(name)
        if newest != target:
            shutil.rmtree(BUNDLED / name, ignore_errors=True)
            shutil.copytree(newest, target)
        card = read_card(target)
        assert card is not None
        scores = scores_of(name, card)
        write_card(target, dataclasses.replace(card, version=VERSION, notes=NOTES, licence="apache-2.0", scores=scores))
        print(f"{name}@{VERSION}: {sum(f.stat().st_size for f in target.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
