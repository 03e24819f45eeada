"""Decides which utterances of a corpus can be trusted: decodes everything, names faults, quarantines bad rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from vizinho.corpora.findings import (
    QUARANTINE,
    Facts,
    Finding,
    audio_findings,
    corpus_findings,
    measure,
    pace_findings,
    text_findings,
)
from vizinho.corpora.manifest import manifest_row, write_lines, write_manifest
from vizinho.corpora.rights_report import RightsReport, rights_report
from vizinho.errors import CorpusError
from vizinho.parallel import spread
from vizinho.progress import Advance
from vizinho.records import Utterance
from vizinho.text.normalize import Normalizer

_GROUP = 32  # utterances that a process takes at a time


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Every utterance is in exactly one of `clean` and `quarantined`, in corpus order.

    `clean` has measured durations where the manifest's were wrong. `findings` are in corpus order; those of severity
    "quarantine" are the reasons, a "warning" leaves the utterance in.
    """

    clean: tuple[Utterance, ...]
    quarantined: tuple[Utterance, ...]
    findings: tuple[Finding, ...]

    @property
    def total(self) -> int:
        """Number of utterances checked."""
        return len(self.clean) + len(self.quarantined)

    @property
    def rights(self) -> RightsReport:
        """Licences, consents and restrictions, and how many utterances lack them."""
        return rights_report([*self.clean, *self.quarantined])

    def counts(self, severity: str) -> dict[str, int]:
        """Utterances by kind of finding, the most frequent first. One utterance may count under several kinds."""
        pairs = {(f.kind, f.id) for f in self.findings if f.severity == severity}
        return dict(sorted(Counter(kind for kind, _ in pairs).items(), key=lambda item: (-item[1], item[0])))

    def to_json(self) -> dict[str, Any]:
        """Counts, minutes and findings as JSON values."""
        return {
            "utterances": self.total,
            "clean": len(self.clean),
            "quarantined": len(self.quarantined),
            "clean_minutes": _minutes(self.clean),
            "quarantined_minutes": _minutes(self.quarantined),
            "quarantine": self.counts("quarantine"),
            "warnings": self.counts("warning"),
            "rights": asdict(self.rights),
            "findings": [asdict(f) for f in self.findings],
        }


def check_corpus(
    utterances: Iterable[Utterance],
    *,
    normalizer: Normalizer,
    tokens: set[str] | None = None,
    frame_seconds: float = 0.04,
    progress: Advance | None = None,
    processes: int = 1,
    on_ray: bool = False,
) -> CheckReport:
    """Decode every file and check every text; docs/corpora.md lists the kinds of findings.

    Args:
        utterances: The corpus, all splits together: only then do leaks between splits show.
        normalizer: Makes the text that a model would learn; a VizinhoError of it quarantines the utterance.
        tokens: Characters that the model knows; None skips that test. The space needs no entry.
        frame_seconds: Seconds of audio per model output frame; a CTC label must fit into the frames.
        progress: Told about each utterance.
        processes: Processes that decode; the report is the same.
        on_ray: Decode on Ray Data instead (`parallel.spread`).

    Memory holds one recording at a time in each process. Raises CorpusError for an empty corpus or a repeated id.
    """
    everything = list(utterances)
    _require_unique(everything)
    facts = []
    group = _GROUP if processes > 1 or on_ray else 1  # one process gives the bar every utterance as it is done
    for fact in spread(_measuring, (normalizer,), everything, group=group, processes=processes, on_ray=on_ray):
        facts.append(fact)
        if progress is not None:
            progress(1, fact.utterance.id)
    findings = [*audio_findings(facts), *text_findings(facts, tokens, frame_seconds), *pace_findings(facts)]
    findings += corpus_findings(facts)
    order = {u.id: position for position, u in enumerate(everything)}
    findings.sort(key=lambda f: (order[f.id], f.severity, f.kind))
    bad = {f.id for f in findings if f.severity == QUARANTINE}
    wrong_duration = {f.id for f in findings if f.kind == "duration"}
    return CheckReport(
        clean=tuple(_measured(f) if f.id in wrong_duration else f.utterance for f in facts if f.id not in bad),
        quarantined=tuple(u for u in everything if u.id in bad),
        findings=tuple(findings),
    )


def _measuring(normalizer: Normalizer) -> Callable[[Sequence[Utterance]], list[Facts]]:
    """Made once in every process: the normaliser need not be sent with each group."""
    return lambda group: [measure(utterance, normalizer) for utterance in group]


def write_check(report: CheckReport, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `name`.clean.jsonl (a manifest) and `name`.quarantine.jsonl (rows with their reasons); returns both paths.

    Raises CorpusError when nothing is clean; the quarantine file is written in that case too.
    """
    clean, quarantine = folder / f"{name}.clean.jsonl", folder / f"{name}.quarantine.jsonl"
    reasons = {key: list(group) for key, group in groupby(report.findings, key=lambda f: f.id)}
    rows = []
    for utterance in report.quarantined:
        why = [{"kind": f.kind, "detail": f.detail} for f in reasons[utterance.id] if f.severity == QUARANTINE]
        rows.append(json.dumps(manifest_row(utterance, folder) | {"reasons": why}, ensure_ascii=False))
    write_lines(quarantine, rows)
    if not report.clean:
        clean.unlink(missing_ok=True)
        raise CorpusError(f"none of {report.total} utterances is clean", where=quarantine, fix="read the reasons there")
    write_manifest(clean, report.clean)
    return clean, quarantine


def _require_unique(utterances: list[Utterance]) -> None:
    if not utterances:
        raise CorpusError("there are no utterances to check", fix="check the manifest and the split")
    repeated = [key for key, count in Counter(u.id for u in utterances).items() if count > 1]
    if repeated:
        raise CorpusError(
            f"id {repeated[0]!r} occurs more than once", where="corpus", fix="give each utterance its own"
        )


def _measured(facts: Facts) -> Utterance:
    return replace(facts.utterance, duration_seconds=round(facts.seconds, 4))


def _minutes(utterances: tuple[Utterance, ...]) -> float:
    return round(sum(u.duration_seconds for u in utterances) / 60, 3)
