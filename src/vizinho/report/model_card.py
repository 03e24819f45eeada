"""Model cards in Hugging Face's format of an experiment's arms, written from results.json alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vizinho.errors import SpecError
from vizinho.experiment.arms import arm_folder
from vizinho.experiment.results import lines_of
from vizinho.files import write_text
from vizinho.report.page import read_results
from vizinho.store.card import README, Card, readme


def write_model_cards(results: Path) -> list[Path]:
    """Write README.md into the model folder of every arm beside `results`; returns the files written.

    Raises SpecError when no arm's model is there.
    """
    values = read_results(results)
    made = []
    for arm in values["arms"]:
        folder = arm_folder(results.parent, arm["arm"]) / "model"
        if folder.is_dir():
            write_text(folder / README, model_card(values, arm))
            made.append(folder / README)
    if not made:
        raise SpecError(
            "no models of the arms are beside the results", where=results, fix="give the results.json in its own folder"
        )
    return made


def model_card(results: Mapping[str, Any], arm: Mapping[str, Any]) -> str:
    """The card of one arm: front matter with its test results, then what the experiment shows about it."""
    name = f"{results['name']}/{arm['arm']}".lower()
    test = arm["test"]
    card = Card(
        name=name,
        language=results["target"],
        created=results["created"],
        tokens=0,
        normalizer=_part(test["signature"], "norm"),
        steps=arm["steps"],
        seed=arm["seed"],
        donor=None if arm["donor"] is None else {"ref": arm["donor"], "language": _language(results, arm)},
        data={"minutes": arm["minutes"]},
        scores=[
            {"split": "dev", "cer": arm["dev_cer"], "wer": _dev_wer(arm), "signature": f"chosen: {arm['chosen']}"},
            {"split": "test", "data": results["name"], **{k: test[k] for k in ("cer", "wer", "signature")}},
        ],
        notes="\n".join(_notes(results, arm)),
    )
    return readme(card)


def _dev_wer(arm: Mapping[str, Any]) -> float | None:
    """Of the chosen weights where single ones were chosen; unknown of an average."""
    return next((p["dev_wer"] for p in arm["curve"] if arm["chosen"] == f"step {p['step']}"), None)


def _part(signature: str, key: str) -> str:
    return next((p.partition(":")[2] for p in signature.split("|") if p.startswith(f"{key}:")), "?")


def _language(results: Mapping[str, Any], arm: Mapping[str, Any]) -> str:
    return next((str(b["language"]) for b in results["budgets"] if b["start"] == arm["origin"]), "?")


def _notes(results: Mapping[str, Any], arm: Mapping[str, Any]) -> list[str]:
    line = next(k for k in lines_of(results["arms"]) if any(a["arm"] == arm["arm"] for a in k.arms))
    low, high = arm["test"]["cer_ci"]
    made = [
        f"One arm (`{arm['arm']}`) of the experiment {results['name']!r}; 95 % interval of its test CER: {low:.3f} to "
        f"{high:.3f}. Weights were chosen on dev, test was decoded once.",
        "",
        "Against the other arms, seeds pooled (CER on test, Holm-corrected p):",
        "",
    ]
    for c in results["comparisons"]:
        if c["metric"] == "cer" and line.name in (c["a"], c["b"]) and c["minutes"] == line.minutes:
            other = c["b"] if c["a"] == line.name else c["a"]
            difference = c["difference"] if c["a"] == line.name else -c["difference"]
            said = "no difference shown" if c["better"] is None else "better" if c["better"] == line.name else "worse"
            unfair = " (unmatched budgets)" if c["family"] == "unmatched" else ""
            made.append(f"- {other}{unfair}: {said}, {difference:+.3f}, p = {c['p_holm']:.2g}")
    made += [f"\nLooks wrong: {f['what']}; likely because {f['cause']}." for f in arm["findings"]]
    return made
