"""Copies the demo donors from the store into the package, with a note on what they are.

VIZINHO_HOME=runs/home .venv/bin/python examples/demo_donors/bundle.py
"""

from __future__ import annotations

import dataclasses
import shutil

from vizinho.store.card import read_card, write_card
from vizinho.store.store import BUNDLED, Store

NOTES = (
    "A donor for demonstrations: it has heard only a formant synthesiser, so it is of little use on people. Made by "
    "examples/demo_donors/run.sh from the project's phrase book and frequent words (wordfreq). The synthesised corpus "
    "depends on the version of that code and of eSpeak NG; the data's fingerprint says which one this was."
)


def main() -> None:
    for name in ("es-demo", "en-demo"):
        target, newest = BUNDLED / name / "1", Store().resolve(name)
        if newest != target:
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(newest, target)
        card = read_card(target)
        assert card is not None
        write_card(target, dataclasses.replace(card, version=1, notes=NOTES, licence="apache-2.0"))
        print(f"{name}@1: {sum(f.stat().st_size for f in target.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
