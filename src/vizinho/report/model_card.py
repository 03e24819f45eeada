"""What an experiment shows about each of its arms, written into the cards of their models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vizinho.errors import SpecError
from vizinho.experiment.results import ArmResult, Results, read_value, suspects
from vizinho.experiment.spec import store_name
from vizinho.store.card import README, read_card
from vizinho.store.folder import rewrite_card
from vizinho.store.store import Store


def write_model_cards(path: Path) -> list[Path]:
    """Write notes into the card and README.md of every arm's model, which is in the store beside the results in `path`.

    Returns the READMEs. Raises SpecError when no arm's model is there.
    """
    results = read_value(Results, path)
    store = Store(path.parent / "store")
    written = []
    for arm in results.arms:
        for entry in store.versions(store_name(arm.arm)):
            card = read_card(entry.folder)
            if card is not None:
                rewrite_card(entry.folder, replace(card, notes=notes(results, arm)))
                written.append(entry.folder / README)
    if not written:
        raise SpecError(
            "no models of the arms are beside the results", where=path, fix="give the results.json in its own folder"
        )
    return written


def notes(results: Results, arm: ArmResult) -> str:
    """The arm against the others, and what looks wrong with it."""
    low, high = arm.test.cer_ci
    lines = [
        f"One arm (`{arm.arm}`) of the experiment {results.name!r}; 95 % interval of its test CER: {low:.3f} to "
        f"{high:.3f}. Weights were chosen on dev, test was decoded once.",
        "",
        "Against the other arms, seeds pooled (CER on test, Holm-corrected p):",
        "",
    ]
    # A comparison has the minutes of its first seed; other seeds may have drawn a little more or less.
    minutes = next(a.minutes for a in results.arms if (a.line, a.amount) == (arm.line, arm.amount))
    for c in results.comparisons:
        if c.metric == "cer" and arm.line in (c.a, c.b) and c.minutes == minutes:
            other, difference = (c.b, c.difference) if c.a == arm.line else (c.a, -c.difference)
            verdict = "no difference shown" if c.better is None else "better" if c.better == arm.line else "worse"
            unfair = " (unmatched budgets)" if c.family == "unmatched" else ""
            lines.append(f"- {other}{unfair}: {verdict}, {difference:+.3f}, p = {c.p_holm:.2g}")
    lines += [f"\nLooks wrong: {f.what}; likely because {f.cause}." for f in suspects(results.arms).get(arm.arm, ())]
    return "\n".join(lines)
