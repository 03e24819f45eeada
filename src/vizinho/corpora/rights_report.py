"""Counts what a corpus says of licences, consents and restrictions, and what it does not say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from vizinho.records import Utterance
from vizinho.rights import TERMS


@dataclass(frozen=True, slots=True)
class RightsReport:
    """Utterances by what they say; each count is of utterances."""

    utterances: int
    without_licence: int
    without_consent: int
    licences: dict[str, int]
    not_spdx: dict[str, int]
    """Licences that are no SPDX expression, so that no program knows what they allow."""
    restrictions: dict[str, int]
    shown_only: dict[str, str]
    """Restrictions that nothing honours, and the term of `vizinho.rights.TERMS` that was perhaps meant, or ""."""


def rights_report(utterances: Sequence[Utterance]) -> RightsReport:
    """Count the rights of utterances."""
    licences = Counter(u.licence for u in utterances if u.licence)
    restrictions = Counter(term for u in utterances for term in u.restrictions)
    return RightsReport(
        len(utterances),
        # Counted, not listed: in most corpora of today every row lacks a consent.
        sum(not u.licence for u in utterances),
        sum(not u.consent for u in utterances),
        dict(licences.most_common()),
        {licence: count for licence, count in licences.most_common() if not _is_spdx(licence)},
        dict(restrictions.most_common()),
        {term: _meant(term) for term in restrictions if term not in TERMS},
    )


def _is_spdx(licence: str) -> bool:
    try:
        canonicalize_license_expression(licence)
    except InvalidLicenseExpression:
        return False
    return True


def _meant(term: str) -> str:
    return next(iter(get_close_matches(term.casefold(), TERMS, n=1)), "")


def report_lines(report: RightsReport) -> Iterator[str]:
    """The counts for people."""
    yield (
        f"rights: {report.without_licence} of {report.utterances} utterances have no licence, "
        f"{report.without_consent} no consent"
    )
    for licence, count in report.licences.items():
        yield f"  licence: {licence}, {count}" + ("; not an SPDX identifier" if licence in report.not_spdx else "")
    for term, count in report.restrictions.items():
        meant = report.shown_only.get(term)
        hint = "; shown only" if term in report.shown_only else ""
        yield f"  restriction: {term}, {count}{hint}" + (f"; did you mean {meant!r}?" if meant else "")
