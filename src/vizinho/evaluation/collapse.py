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
"""Times a letter must be said before its absence means something."""
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
    """How often each letter stands in the training texts."""


def diagnose(course: Course, references: Mapping[str, str], hypotheses: Mapping[str, str]) -> list[Finding]:
    """Faults of a finished run, the gravest first; none for a network that is merely not good yet.

    References and hypotheses are normalised texts by utterance id, of speech the network was not trained on. CTC
    networks pass through all-blank output before they find letters (Sak et al. 2015); ending there is the fault.
    """
    spoken = {id_: text for id_, text in references.items() if text.strip()}
    heard = [hypotheses.get(id_, "") for id_ in spoken]
    stuck = _stuck(course)
    found = [_blank(heard, course, stuck), _one_letter(heard, spoken), stuck]
    made = [finding for finding in found if finding is not None]
    if not any(f.kind in ("blank", "one letter") for f in made):
        made += _never_emitted(spoken, heard, course)
    return made


def as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Plain values."""
    return [asdict(f) for f in findings]


def letter_counts(texts: Sequence[str]) -> dict[str, int]:
    """How often each letter stands in texts; spaces are not letters."""
    return dict(Counter(c for text in texts for c in text if not c.isspace()))


def _blank(heard: Sequence[str], course: Course, stuck: Finding | None) -> Finding | None:
    empty = sum(not text.strip() for text in heard)
    if not heard or empty < MOSTLY * len(heard):
        return None
    what = f"{empty} of {len(heard)} utterances came out empty: the network says blank everywhere"
    if course.skipped_batches:
        return Finding("blank", what, "the loss was not a number at times", "lower the learning rate")
    if stuck is not None:
        return Finding(
            "blank",
            what,
            "the loss did not fall: nothing that could be learnt was learnt",
            "see whether texts belong to their audio (`vizinho corpus check`), then try another learning rate",
        )
    return Finding(
        "blank",
        what,
        "the run ended in CTC's first phase, in which blank is the best guess for every frame",
        "give it more steps or a higher learning rate, or start from a donor",
    )


def _one_letter(heard: Sequence[str], spoken: Mapping[str, str]) -> Finding | None:
    counts = letter_counts(heard)
    total = sum(counts.values())
    if not total or total < OFTEN:
        return None
    letter, times = max(counts.items(), key=lambda pair: pair[1])
    said = letter_counts(list(spoken.values()))
    if times < MOSTLY * total or said.get(letter, 0) >= MOSTLY * max(1, sum(said.values())):
        return None
    return Finding(
        "one letter",
        f"{times} of the {total} letters it wrote are {letter!r}",
        "the output layer follows how frequent letters are, not the audio: the rate was too high, or the encoder is "
        "frozen or random",
        "lower the learning rate, and let the encoder learn",
    )


def _stuck(course: Course) -> Finding | None:
    losses = [loss for loss in course.losses if math.isfinite(loss)]
    if len(losses) < 3:
        return None
    first, best = losses[0], min(losses[1:])
    if best < (1 - LEARNT) * first:
        return None
    return Finding(
        "loss stuck",
        f"the training loss went from {first:.2f} to {losses[-1]:.2f} and was never more than {LEARNT:.0%} below its "
        "start",
        "the rate is too low or far too high, everything is frozen, or the texts do not belong to the audio",
        "listen to a few utterances beside their texts, then try three and a third of the learning rate",
    )


def _never_emitted(spoken: Mapping[str, str], heard: Sequence[str], course: Course) -> list[Finding]:
    said, written = letter_counts(list(spoken.values())), letter_counts(heard)
    lacking = sorted((c for c, n in said.items() if n >= OFTEN and c not in written), key=lambda c: -said[c])
    unseen = [c for c in lacking if not course.letters_in_training.get(c)]
    rare = [c for c in lacking if course.letters_in_training.get(c)]
    made = []
    if unseen:
        made.append(
            Finding(
                "letters never emitted",
                f"never written though said: {_letters(unseen, said)}",
                "they do not stand in the training texts",
                "add utterances that have them, or synthetic ones (`vizinho corpus speak`)",
            )
        )
    if rare:
        if len(lacking) * 2 > sum(n >= OFTEN for n in said.values()):
            cause = "most letters are missing: the network has hardly begun to tell them apart"
            return [*made, Finding("letters never emitted", f"never written though said: {_letters(rare, said)}", cause,
                                   "give it more steps or a higher learning rate")]  # fmt: skip
        shown = ", ".join(f"{c} {course.letters_in_training[c]} times" for c in rare[:_NAMED])
        made.append(
            Finding(
                "letters never emitted",
                f"never written though said: {_letters(rare, said)}",
                f"too little training for how rare they are ({shown} in the training texts)",
                "give it more steps, or start their rows from letters that sound alike (--new-rows features, --row)",
            )
        )
    return made


def _letters(letters: Sequence[str], said: Mapping[str, int]) -> str:
    more = f" and {len(letters) - _NAMED} more" if len(letters) > _NAMED else ""
    return ", ".join(f"{c} ({said[c]} times)" for c in letters[:_NAMED]) + more
