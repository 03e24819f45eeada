"""Tells a network that has collapsed from one that is only weak, and names the likely cause."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

MOSTLY = 0.9
"""Share of utterances, or of letters, that makes a fault the rule."""
LEARNT = 0.05
"""Relative fall of the training loss below which nothing was learnt."""
OFTEN = 3
"""Times a letter must occur before its absence means something."""
_NAMED = 12
"""Letters that a finding names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: its kind, what was seen, the likely cause and what to do."""

    kind: str
    """"blank", "one letter", "loss stuck" or "letters never emitted"."""
    what: str
    cause: str
    fix: str


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went, as far as a diagnosis needs it."""

    losses: Sequence[float]
    """Mean training loss before each evaluation, in order."""
    skipped_batches: int
    """Batches whose loss was not a number."""
    letters_in_training: Mapping[str, int]
    """How often each letter occurs in the training texts."""


def diagnose(course: Course, references: Mapping[str, str], hypotheses: Mapping[str, str]) -> list[Finding]:
    """Faults of a finished run, the gravest first; none for a network that is merely not good yet.

    References and hypotheses are normalised texts by utterance id, of speech the network was not trained on. CTC
    networks pass through all-blank output before they find letters (Sak et al. 2015); ending there is the fault.
    """
    spoken = {id_: text for id_, text in references.items() if text.strip()}
    texts = [hypotheses.get(id_, "") for id_ in spoken]
    stuck = _stuck(course)
    findings = [f for f in (_blank(texts, course, stuck), _one_letter(texts, spoken), stuck) if f is not None]
    if not any(f.kind in ("blank", "one letter") for f in findings):
        findings += _never_emitted(spoken, texts, course)
    return findings


def as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Plain values."""
    return [asdict(f) for f in findings]


def letter_counts(texts: Sequence[str]) -> dict[str, int]:
    """How often each letter occurs in texts; spaces are not letters."""
    return dict(Counter(c for text in texts for c in text if not c.isspace()))


def _blank(texts: Sequence[str], course: Course, stuck: Finding | None) -> Finding | None:
    empty = sum(not text.strip() for text in texts)
    if not texts or empty < MOSTLY * len(texts):
        return None
    what = f"{empty} of {len(texts)} utterances came out empty: the network outputs blank everywhere"
    if course.skipped_batches:
        cause, fix = "the loss was not a number at times", "lower the learning rate"
    elif stuck is not None:
        cause = "the loss did not fall: the network learnt nothing"
        fix = "check that texts belong to their audio (`vizinho corpus check`), then try another learning rate"
    else:
        cause = "the run ended in CTC's first phase, in which blank is the best guess for every frame"
        fix = "give it more steps or a higher learning rate, or start from a donor"
    return Finding("blank", what, cause, fix)


def _one_letter(texts: Sequence[str], spoken: Mapping[str, str]) -> Finding | None:
    counts = letter_counts(texts)
    total = sum(counts.values())
    if not total or total < OFTEN:
        return None
    letter, times = max(counts.items(), key=lambda pair: pair[1])
    wanted = letter_counts(list(spoken.values()))
    # Where nearly everything that was said is this letter, writing it is right.
    if times < MOSTLY * total or wanted.get(letter, 0) >= MOSTLY * max(1, sum(wanted.values())):
        return None
    what = f"{times} of the {total} letters it wrote are {letter!r}"
    cause = (
        "the output layer follows the letters' frequencies: the rate was too high, or the encoder is frozen or random"
    )
    return Finding("one letter", what, cause, "lower the learning rate, and let the encoder learn")


def _stuck(course: Course) -> Finding | None:
    losses = [loss for loss in course.losses if math.isfinite(loss)]
    if len(losses) < 3:
        return None
    first, best = losses[0], min(losses[1:])
    if best < (1 - LEARNT) * first:  # it fell at some time: whatever came later, the run was not stuck
        return None
    what = f"the training loss went from {first:.2f} to {losses[-1]:.2f}, never more than {LEARNT:.0%} below its start"
    cause = "the rate is too low or far too high, everything is frozen, or the texts do not belong to the audio"
    fix = "compare a few utterances with their texts, then try three times and a third of the learning rate"
    return Finding("loss stuck", what, cause, fix)


def _never_emitted(spoken: Mapping[str, str], texts: Sequence[str], course: Course) -> list[Finding]:
    wanted, written = letter_counts(list(spoken.values())), letter_counts(texts)
    lacking = sorted((c for c, n in wanted.items() if n >= OFTEN and c not in written), key=lambda c: -wanted[c])
    # What training never had cannot be learnt; what it had rarely needs more of it: different advice.
    unseen = [c for c in lacking if not course.letters_in_training.get(c)]
    rare = [c for c in lacking if course.letters_in_training.get(c)]
    findings = []
    if unseen:
        fix = "add utterances that have them, or synthetic ones (`vizinho corpus speak`)"
        findings.append(_lacking(unseen, wanted, "they do not occur in the training texts", fix))
    if rare and len(lacking) * 2 > sum(n >= OFTEN for n in wanted.values()):
        cause = "most letters are missing: the network has hardly begun to tell them apart"
        findings.append(_lacking(rare, wanted, cause, "give it more steps or a higher learning rate"))
    elif rare:
        shown = ", ".join(f"{c} {course.letters_in_training[c]} times" for c in rare[:_NAMED])
        cause = f"too little training for how rare they are ({shown} in the training texts)"
        fix = "give it more steps, or start their rows from letters that sound alike (--new-rows features, --row)"
        findings.append(_lacking(rare, wanted, cause, fix))
    return findings


def _lacking(letters: Sequence[str], wanted: Mapping[str, int], cause: str, fix: str) -> Finding:
    more = f" and {len(letters) - _NAMED} more" if len(letters) > _NAMED else ""
    shown = ", ".join(f"{c} ({wanted[c]} times)" for c in letters[:_NAMED]) + more
    return Finding("letters never emitted", f"never written though said: {shown}", cause, fix)
