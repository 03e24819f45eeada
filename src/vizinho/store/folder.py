"""Writes what lies beside a model's weights: card.json with the hashes of all files, and README.md."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vizinho.files import sha256, write_json, write_text
from vizinho.store.card import CARD, DECODER, README, Card


def write_card(folder: Path, card: Card) -> Card:
    """Write README.md and card.json with the hashes of all files; returns the card as written."""
    write_text(folder / README, readme(card, folder))
    # card.json cannot contain its own hash; everything else is in it, README.md too.
    files = {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / CARD and folder / DECODER not in path.parents
    }
    card = dataclasses.replace(card, files=files)
    write_json(folder / CARD, asdict(card))
    return card


def rewrite_card(folder: Path, card: Card) -> None:
    """Replace card.json, and README.md unless it was edited; the weights and their hashes stay."""
    # README.md is one's own as soon as its hash differs from the recorded one.
    before = card.files.get(README)
    if before is not None and (folder / README).is_file() and sha256(folder / README) == before:
        write_text(folder / README, readme(card, folder))
        card = dataclasses.replace(card, files={**card.files, README: sha256(folder / README)})
    write_json(folder / CARD, asdict(card))


FEW_SPEAKERS = 20
"""With fewer the README says that other voices are heard worse."""
_LOADERS = {
    "ConditionalGeneration": ("AutoModelForSpeechSeq2Seq", "whisper"),
    "RNNT": ("AutoModelForRNNT", "rnnt"),
    "TDT": ("AutoModelForTDT", "tdt"),
}
"""By the end of a class's name: what loads it in transformers, and its tag on the hub; all others are CTC networks."""
_SYNTHETIC = "synthesised"
"""The licence that rows of synthetic corpora have."""


def readme(card: Card, folder: Path) -> str:
    """The README of the model in `folder`, results on test splits included in its front matter."""
    # "ParakeetForTDT" is told by what follows its "For".
    loader, tag = _LOADERS.get(_architecture(folder).partition("For")[2], ("AutoModelForCTC", "ctc"))
    # YAML first: Hugging Face's hub reads it only at the very start of the file.
    lines = [
        *_front_matter(card, tag),
        "",
        f"# {card.name}@{card.version}" if card.version else f"# {card.name}",
        "",
        f"A speech recogniser for `{card.language}`, {_origin(card)}; vizinho, seed {card.seed}, {card.steps} steps.",
        *([f"{card.notes}"] if card.notes else []),
        "",
        "## Use",
        "",
        "It writes what is said in recordings and streams of one language, in normalised spelling: "
        f"`vizinho transcribe {card.name} FILE`.",
        f"In transformers: `{loader}.from_pretrained(folder)` and `AutoProcessor.from_pretrained(folder)`.",
        *(["`card.json` has the transfer plan, the recipe and the hashes."] if card.version else []),
        "",
        "## How good it is",
        "",
        quality(card),
        *(f"- {s['split']}: CER {_rate(s['cer'])}, WER {_rate(s['wer'])} ({s['signature']})" for s in card.scores),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in limits(card)),
        "",
        "## Training data and licence",
        "",
        f"{_data(card)}.",
        "",
        *_sources(card),
        f"Licence of the weights: {card.licence or 'not stated; that of the data decides'}.",
        "",
    ]
    return "\n".join(lines)


def quality(card: Card | None) -> str:
    """How good a model is, in a sentence for people who use it."""
    if card is None:
        return "It has no card, so nothing is known of how good it is."
    # Dev scores chose the weights, so they are too good; they are said only where there is no other.
    tested = [score for score in card.scores if "used for choosing" not in str(score.get("signature", ""))]
    if tested:
        size = f", {tested[-1]['utterances']} utterances" if "utterances" in tested[-1] else ""
        return f"On {tested[-1].get('data', tested[-1]['split'])}{size}: {_percentages(tested[-1])}."
    if card.scores:
        return f"Not tested. On the sentences that chose its weights: {_percentages(card.scores[-1])}."
    return "Not tested."


def warning(card: Card | None) -> str:
    """What users must know before anything else; empty where the card has no reason for a warning."""
    if card is None:
        return ""
    demonstration = "demonstration" in card.notes  # the bundled donors' cards are older than records of sources
    sources = [row for row in card.data.get("sources", ()) if row.get("corpus")]
    if not demonstration and not (sources and all(row.get("licence") == _SYNTHETIC for row in sources)):
        return ""
    kind = "Demo model, trained" if demonstration else "Trained"
    return f"{kind} on synthetic speech: expect errors on people."


def limits(card: Card) -> list[str]:
    """What the card says the model cannot do, or was not checked for; a sentence each."""
    sentences = [warning(card)] if warning(card) else []
    speakers = card.data.get("speakers")
    if isinstance(speakers, int) and speakers < FEW_SPEAKERS:
        voices = "one voice" if speakers == 1 else f"{speakers} voices"
        sentences.append(f"It learnt its language from {voices}: expect more errors on other voices.")
    if practice := card.data.get("practice"):
        sentences.append(f"{practice['minutes']:.0f} minutes of what it learnt from are synthetic or respelt speech.")
    restrictions = {text for row in card.data.get("sources", ()) for text in row.get("restrictions", ())}
    sentences += [f"Restriction of the speech it learnt from: {text}." for text in sorted(restrictions)]
    # Two sentences that hold for every recogniser, since readers of one card may have read no other.
    sentences.append("Not checked for noise, telephones, children or dialects unless a score above says so.")
    sentences.append("It does not tell who speaks, and its text is no evidence of what was said: listen again.")
    return sentences


def _origin(card: Card) -> str:
    if not card.donor:
        return "trained from scratch"
    language = f" ({card.donor['language']})" if card.donor.get("language") else ""
    return f"started from `{card.donor['ref']}`{language}"


def _architecture(folder: Path) -> str:
    """The class that a model's configuration names; empty where there is none."""
    try:
        names = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures")
    except (OSError, ValueError, AttributeError):
        return ""
    return str(names[0]) if isinstance(names, list) and names else ""


def _data(card: Card) -> str:
    amounts = [f"{card.data['utterances']} utterances"] if "utterances" in card.data else []
    amounts.append(f"{card.data.get('minutes', 0):.1f} minutes")
    amounts += [f"{card.data['speakers']} speakers"] if "speakers" in card.data else []
    amounts += [f"{card.data['practice']['minutes']:.1f} minutes of practice"] if card.data.get("practice") else []
    if "fingerprint" in card.data:
        amounts.append(f"fingerprint `{card.data['fingerprint']}`")
    return ", ".join(amounts)


def _sources(card: Card) -> list[str]:
    """A table of all speech that the model and its donors learnt from."""
    rows = card.data.get("sources", ())
    if not rows:  # cards of earlier versions
        return []
    lines = ["| model | corpus | language | minutes | licence | restrictions |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = [
            row.get("model") or f"{card.name}@{card.version}",
            row.get("corpus") or "not recorded",
            row.get("language", "?"),
            f"{row['minutes']:.1f}" if "minutes" in row else "?",
            row.get("licence") or "unknown",
            "; ".join(row.get("restrictions", ())) or "none recorded",
        ]
        lines.append(f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |")
    return [*lines, ""]


def _front_matter(card: Card, kind: str) -> list[str]:
    """YAML; JSON strings are valid in it, and quoting keeps Norwegian's `no` from being read as false."""
    return [
        "---",
        f"language: {json.dumps(card.language)}",
        "library_name: transformers",
        "pipeline_tag: automatic-speech-recognition",
        *([f"license: {json.dumps(card.licence)}"] if card.licence else []),
        "tags:",
        "- vizinho",
        f"- {kind}",
        *_model_index(card),
        "---",
    ]


def _model_index(card: Card) -> list[str]:
    # Dev scores chose the weights, so they are not results.
    tested = [s for s in card.scores if s["split"] == "test"]
    if not tested:
        return []
    lines = ["model-index:", f"- name: {json.dumps(card.name)}", "  results:"]
    for score in tested:
        lines += [
            "  - task: {type: automatic-speech-recognition}",
            f"    dataset: {{type: manifest, split: test, name: {json.dumps(str(score.get('data', 'test')))}}}",
            "    metrics:",
            *(f"    - {{type: {m}, value: {score[m]:.4f}}}" for m in ("cer", "wer") if score[m] is not None),
        ]
    return lines


def _rate(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _percentages(score: Mapping[str, Any]) -> str:
    parts = []
    if (cer := score.get("cer")) is not None:
        interval = score.get("cer_ci")
        spread = f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""
        parts.append(f"{100 * cer:.1f} %{spread} of the letters are wrong")
    if (wer := score.get("wer")) is not None:
        parts.append(f"{100 * wer:.1f} % of the words" + ("" if parts else " are wrong"))
    return ", ".join(parts) or "no rates"
