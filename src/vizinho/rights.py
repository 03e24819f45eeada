"""Whose voices these are: licence, consent and restrictions of utterances, and what each restriction refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vizinho.errors import CorpusError
from vizinho.records import Utterance

TRAINING, EXPORT, SERVING = "training", "export", "serving"
TERMS: Mapping[str, tuple[str, ...]] = {
    "not for export": (EXPORT,),
    "not for publication": (EXPORT,),
    "not for serving": (SERVING,),
    "community only": (EXPORT, SERVING),
    "not for training": (TRAINING,),
}
"""Restrictions that are honoured, and what each refuses; other restrictions are shown wherever these are."""
NO_CONSENT = ("no", "refused", "withdrawn")
"""Values of `consent` that say that there is none."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What the rows of a source say of licence, consent and restrictions."""

    licence: str = ""
    consent: str = ""
    restrictions: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Mapping[str, Any], where: str) -> Rights:
        """The rights in a row of any source. Raises CorpusError for values that cannot be understood."""
        licence = next(filter(None, (_value(row, key, where) for key in ("licence", "license"))), "")
        return cls(licence, _value(row, "consent", where), _restrictions(row, where))

    def over(self, before: Rights) -> Rights:
        """These where they say something, else those before; restrictions of both hold."""
        restrictions = tuple(dict.fromkeys((*before.restrictions, *self.restrictions)))
        return Rights(self.licence or before.licence, self.consent or before.consent, restrictions)

    def row(self) -> dict[str, Any]:
        """What is known, as JSON values."""
        values = {"licence": self.licence, "consent": self.consent, "restrictions": list(self.restrictions)}
        return {key: value for key, value in values.items() if value}


NO_RIGHTS = Rights()
"""Nothing is known."""


def rights_of(utterance: Utterance) -> Rights:
    """The rights of an utterance."""
    return Rights(utterance.licence, utterance.consent, utterance.restrictions)


def _value(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if value is None or value != value:  # NaN is how pandas writes a missing text
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str | int | float):
        raise CorpusError(f"field {key!r} is {value!r}, not text", where=where, fix="put the value in quotes")
    return _text(str(value), key, where)


def _restrictions(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """The field `restrictions`: a list, or one text with semicolons. Raises CorpusError for anything else.

    It is not ignored as other unknown values are: a restriction that is not understood would not be honoured.
    """
    value = row.get("restrictions")
    value = None if value != value else value
    terms = value.split(";") if isinstance(value, str) else [] if value is None else value
    if not isinstance(terms, list | tuple) or not all(isinstance(term, str) for term in terms):
        fix = 'give a list of texts, such as ["not for export"]'
        raise CorpusError(f"field 'restrictions' is {value!r}", where=where, fix=fix)
    read = (_term(_text(term, "restrictions", where)) for term in terms)
    return tuple(dict.fromkeys(term for term in read if term))


def _text(value: str, key: str, where: str) -> str:
    # JSON may escape half of a surrogate pair, which no file can be written with.
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise CorpusError(f"field {key!r} holds half a character", where=where, fix="write the text as UTF-8")
    return value


def _term(typed: str) -> str:
    """A term of TERMS however it is spelt (NOT_FOR-EXPORT); others as they are."""
    # Tables and programs write terms in their own ways; one that is not recognised would not be honoured.
    plain = " ".join(re.split(r"[\s_-]+", typed.casefold().strip(" _-.")))
    return plain if plain in TERMS else typed.strip()


def refused(restrictions: Iterable[str], act: str) -> tuple[str, ...]:
    """Which of the restrictions refuse this: TRAINING, EXPORT or SERVING."""
    return tuple(term for term in restrictions if act in TERMS.get(term, ()))


def untrainable(utterance: Utterance) -> str:
    """Why nothing may be trained on an utterance; empty where it may be."""
    return _untrainable(rights_of(utterance))


def trainable_rights(row: Mapping[str, Any], where: str) -> Rights:
    """The rights in a row to train on. Raises CorpusError as `Rights.of` does, and where there is no right to."""
    rights = Rights.of(row, where)
    if reason := _untrainable(rights):
        raise CorpusError(f"not to be trained on ({reason})", where=where)
    return rights


def no_consent(rights: Rights | Utterance) -> bool:
    """Whether a speaker has refused or withdrawn."""
    return rights.consent.casefold() in NO_CONSENT


def _untrainable(rights: Rights) -> str:
    # Whoever withdraws need not say more; no licence or term outweighs it.
    if no_consent(rights):
        return f"consent: {rights.consent}"
    return ", ".join(refused(rights.restrictions, TRAINING))


def refuse_untrainable(utterances: Sequence[Utterance], where: str) -> None:
    """Raises CorpusError when there are utterances that nothing may be trained on."""
    reasons = {u.id: reason for u in utterances if (reason := untrainable(u))}
    if reasons:
        first, reason = next(iter(reasons.items()))
        raise CorpusError(
            f"utterances that may not be trained on: {len(reasons)}, such as {first} ({reason})",
            where=where,
            fix="leave them out: `vizinho corpus check` writes a manifest without them",
        )


class Tally:
    """Utterances and minutes by licence and restrictions, and how many utterances have a consent.

    What the consents say stays with the corpus: it may name people.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[str, tuple[str, ...]], tuple[int, float, int]] = {}

    def add(self, rights: Rights, seconds: float) -> None:
        """Count one utterance."""
        key = rights.licence, rights.restrictions
        utterances, total, consented = self._groups.get(key, (0, 0.0, 0))
        self._groups[key] = (utterances + 1, total + seconds, consented + bool(rights.consent))

    def summary(self) -> list[dict[str, Any]]:
        """A row for each group, as JSON values."""
        return [
            {
                "licence": licence,
                "restrictions": list(restrictions),
                "utterances": utterances,
                "minutes": round(seconds / 60, 2),
                "with_consent": consented,
            }
            for (licence, restrictions), (utterances, seconds, consented) in sorted(self._groups.items())
        ]


def summary(utterances: Iterable[Utterance]) -> list[dict[str, Any]]:
    """The `Tally` of utterances."""
    tally = Tally()
    for utterance in utterances:
        tally.add(rights_of(utterance), utterance.duration_seconds)
    return tally.summary()
