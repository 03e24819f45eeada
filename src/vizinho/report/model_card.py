"""Model cards in Hugging Face's format of an experiment's arms, written from results.json alone."""

from __future__ import annotations

from pathlib import Path

from vizinho.errors import SpecError
from vizinho.experiment.arms import arm_folder
from vizinho.experiment.results import ArmResult, Results, read_results, suspects
from vizinho.files import write_text
from vizinho.store.card import README, Card, readme


def write_model_cards(path: Path) -> list[Path]:
    """Write README.md into the model folder of every arm beside the results in `path`; returns the files written.

    Raises SpecError when no arm's model is there.
    """
    results = read_results(path)
    cards = []
    for arm in results.arms:
        folder = arm_folder(path.parent, arm.arm) / "model"
        if folder.is_dir():
            write_text(folder / README, model_card(results, arm))
            cards.append(folder / README)
    if not cards:
        raise SpecError(
            "no models of the arms are beside the results", where=path, fix="give the results.json in its own folder"
        )
    return cards


def model_card(results: Results, arm: ArmResult) -> str:
    """The card of one arm: front matter with its test results, then what the experiment shows about it."""
    test = arm.test
    # An average of several evaluated weights has no dev WER of its own.
    dev_wer = next((p.dev_wer for p in arm.curve if arm.chosen == f"step {p.step}"), None)
    language = next((str(b.language) for b in results.budgets if b.start == arm.origin), "?")
    card = Card(
        name=f"{results.name}/{arm.arm}".lower(),
        language=results.target,
        created=results.created,
        tokens=0,
        normalizer=_part(test.signature, "norm"),
        steps=arm.steps,
        seed=arm.seed,
        donor=None if arm.donor is None else {"ref": arm.donor, "language": language},
        data={"minutes": arm.minutes},
        scores=[
            {"split": "dev", "cer": arm.dev_cer, "wer": dev_wer, "signature": f"chosen: {arm.chosen}"},
            {"split": "test", "data": results.name, "cer": test.cer, "wer": test.wer, "signature": test.signature},
        ],
        notes="\n".join(_notes(results, arm)),
    )
    return readme(card)


def _part(signature: str, key: str) -> str:
    return next((p.partition(":")[2] for p in signature.split("|") if p.startswith(f"{key}:")), "?")


def _notes(results: Results, arm: ArmResult) -> list[str]:
    low, high = arm.test.cer_ci
    lines = [
        f"One arm (`{arm.arm}`) of the experiment {results.name!r}; 95 % interval of its test CER: {low:.3f} to "
        f"{high:.3f}. Weights were chosen on dev, test was decoded once.",
        "",
        "Against the other arms, seeds pooled (CER on test, Holm-corrected p):",
        "",
    ]
    minutes = next(a.minutes for a in results.arms if (a.line, a.amount) == (arm.line, arm.amount))
    for c in results.comparisons:
        if c.metric == "cer" and arm.line in (c.a, c.b) and c.minutes == minutes:
            other, difference = (c.b, c.difference) if c.a == arm.line else (c.a, -c.difference)
            verdict = "no difference shown" if c.better is None else "better" if c.better == arm.line else "worse"
            unfair = " (unmatched budgets)" if c.family == "unmatched" else ""
            lines.append(f"- {other}{unfair}: {verdict}, {difference:+.3f}, p = {c.p_holm:.2g}")
    lines += [f"\nLooks wrong: {f.what}; likely because {f.cause}." for f in suspects(results.arms).get(arm.arm, ())]
    return lines
