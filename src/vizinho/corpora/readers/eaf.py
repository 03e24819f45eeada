"""Reads ELAN files (.eaf): tiers with their speakers; dependent tiers take their times from their parents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from vizinho.corpora.documents import Document, Media, Span, Tier
from vizinho.corpora.encodings import Element, read_xml
from vizinho.errors import CorpusError, OnProblem

Times = dict[str, float | None]
"""Seconds by time slot; None for slots that ELAN has not aligned."""


def parse_eaf(path: Path, encoding: str, on_problem: OnProblem) -> Document:
    """The tiers of one ELAN file.

    Annotations of a dependent tier have their parent's times; several under one parent (the words of a sentence) are
    one text. Slots without a time share the stretch between their neighbours. An annotation without a place is
    reported.
    """
    # Not pympi: one bad annotation loses it the file, and it does not know lines.
    root = read_xml(path, on_problem, encoding)
    tiers = list(root.all("TIER"))
    if not tiers:
        raise CorpusError("no tiers here", where=path, fix="is it an ELAN file?")
    places = _Places(
        tiers, {slot.get("TIME_SLOT_ID"): _seconds(slot, path, on_problem) for slot in root.all("TIME_SLOT")}
    )
    read = tuple(
        Tier(
            tier.get("TIER_ID"),
            tuple(_spans(tier, places, path, on_problem)),
            tier.get("PARTICIPANT").strip(),
            tier.get("LINGUISTIC_TYPE_REF"),
            tier.get("PARENT_REF"),
            tier.get("LANG_REF"),
        )
        for tier in tiers
    )
    licences = (element.text.strip() or element.get("LICENSE_URL") for element in root.all("LICENSE"))
    media = tuple(_media(m) for m in root.all("MEDIA_DESCRIPTOR"))
    return Document(path, read, media, licence=" AND ".join(filter(None, licences)))


def _seconds(slot: Element, path: Path, on_problem: OnProblem) -> float | None:
    value = slot.get("TIME_VALUE")
    if value and not value.isdecimal():
        what = f"{value!r} is no time in milliseconds"
        on_problem(CorpusError(what, where=f"{path}:{slot.line}", fix="open and save the file in ELAN"))
    return float(value) / 1000 if value.isdecimal() else None


def _media(element: Element) -> Media:
    # The absolute URL is of the machine that the file was made on.
    name = element.get("RELATIVE_MEDIA_URL") or element.get("MEDIA_URL")
    origin = element.get("TIME_ORIGIN")
    return Media(name, element.line, float(origin) / 1000 if origin.removeprefix("-").isdecimal() else 0.0)


class _Places:
    """Where annotations are in the recording, by their ids."""

    def __init__(self, tiers: Sequence[Element], slots: Times) -> None:
        self._times: dict[str, tuple[float | None, float | None]] = {}
        self._parents: dict[str, str] = {}
        for tier in tiers:
            annotations = list(tier.all("ALIGNABLE_ANNOTATION"))
            slots_here = _spread(annotations, slots)
            for annotation in annotations:
                start, end = (slots_here.get(annotation.get(f"TIME_SLOT_REF{n}")) for n in (1, 2))
                self._times[annotation.get("ANNOTATION_ID")] = (start, end)
            for annotation in tier.all("REF_ANNOTATION"):
                self._parents[annotation.get("ANNOTATION_ID")] = annotation.get("ANNOTATION_REF")

    def __getitem__(self, annotation_id: str) -> tuple[float, float] | None:
        """Start and end in seconds; None where an annotation and its parents have none."""
        seen: set[str] = set()
        while annotation_id in self._parents and annotation_id not in seen:  # a damaged file may have circles
            seen.add(annotation_id)
            annotation_id = self._parents[annotation_id]
        start, end = self._times.get(annotation_id, (None, None))
        return None if start is None or end is None else (start, end)


def _spread(annotations: Sequence[Element], slots: Times) -> Times:
    """Slots of a tier, those without a time at equal distances between the neighbours that have one."""
    times = dict(slots)
    # Slots in a row, each the end of one annotation and the start of the next; only the first has a time so far.
    chain: list[str] = []
    for annotation in annotations:
        first, last = annotation.get("TIME_SLOT_REF1"), annotation.get("TIME_SLOT_REF2")
        chain = [*chain, last] if chain and chain[-1] == first else [first, last]
        start, end = times.get(chain[0]), times.get(last)
        if end is not None:
            for position, slot in enumerate(chain[1:-1], start=1):
                times[slot] = None if start is None else start + (end - start) * position / (len(chain) - 1)
            chain = [last]
    return times


def _spans(tier: Element, places: _Places, path: Path, on_problem: OnProblem) -> Iterator[Span]:
    """Annotations in the order of time; those of one parent together."""
    by_parent: dict[str, list[Element]] = defaultdict(list)
    for annotation in tier.all("REF_ANNOTATION"):
        by_parent[annotation.get("ANNOTATION_REF")].append(annotation)
    groups = [*([a] for a in tier.all("ALIGNABLE_ANNOTATION")), *map(_in_order, by_parent.values())]
    spans = []
    for group in groups:
        line, annotation_id = group[0].line, group[0].get("ANNOTATION_ID")
        place = places[annotation_id]
        if place is None:
            what = f"annotation {annotation_id} of tier {tier.get('TIER_ID')!r} has no times"
            on_problem(CorpusError(what, where=f"{path}:{line}", fix="align it in ELAN"))
            continue
        # ELAN breaks long values into lines, and a value may be missing.
        texts = [v.text.strip() for a in group for v in a.children if v.tag == "ANNOTATION_VALUE"]
        spans.append(Span(*place, " ".join(filter(None, texts)), line))
    yield from sorted(spans, key=lambda s: (s.start_seconds, s.end_seconds))


def _in_order(annotations: Sequence[Element]) -> list[Element]:
    """By the chain of PREVIOUS_ANNOTATION; in the order of the file where there is none."""
    after = {a.get("PREVIOUS_ANNOTATION"): a for a in annotations if a.get("PREVIOUS_ANNOTATION")}
    ordered = [a for a in annotations if not a.get("PREVIOUS_ANNOTATION")]
    while ordered and (following := after.pop(ordered[-1].get("ANNOTATION_ID"), None)):
        ordered.append(following)
    return [*ordered, *after.values()]
