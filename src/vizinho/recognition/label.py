"""Pseudo-labels: transcripts that a model makes of untranscribed speech, as a manifest to train on.

Self-training: a model pseudo-labels speech of its own language for the next one (Kahn et al. 2020, arXiv 1909.09116).
Labels are filtered by confidence, and by agreement with what the model writes when the recording is played faster.
Every row names the model that wrote its text, so that nobody takes it for what a person wrote, and has the restrictions
of the speech that this model learnt from beside those of its recording.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from rapidfuzz.distance import Levenshtein

from vizinho.corpora.manifest import manifest_row, read_manifest, select, write_lines
from vizinho.corpora.rights_file import RightsFile, with_rights
from vizinho.errors import CorpusError, SpecError
from vizinho.ledger import Ledger
from vizinho.progress import Advance, silent
from vizinho.recognition.files import Input, Outcome, Work, collect, transcribe_files
from vizinho.records import Utterance
from vizinho.rights import Rights
from vizinho.store.rights import restrictions_of

BY_MODEL = "labelled by "
"""How `source` begins in a row whose text a model wrote."""
_FASTER = 1.1
"""Speed at which recordings are played for a second transcript: a label that this changes is a guess."""


@dataclass(frozen=True, slots=True)
class PseudoLabelOptions:
    """How to pseudo-label, and which labels to accept."""

    least_confidence: float = 0.0
    """Mean confidence of its words below which an utterance is left out, 0 to 1."""
    least_agreement: float = 0.0
    """Share of letters that stay when the recording is played faster, below which an utterance is left out, 0 to 1; 0
    does not transcribe it twice."""
    processes: int = 1
    on_ray: bool = False

    def __post_init__(self) -> None:
        for name in ("confidence", "agreement"):
            if not 0 <= (least := getattr(self, f"least_{name}")) <= 1:
                raise SpecError(f"{name} {least}", where=f"--least-{name}", fix="use 0 to 1")


@dataclass(frozen=True, slots=True)
class PseudoLabel:
    """One line of the ledger: a recording as it was, the model and decoding (`key`), and the text they gave."""

    audio: str
    size: int
    changed_ns: int
    key: str
    text: str
    confidence: float
    seconds: float


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What was accepted and what was not. Each utterance counts as accepted, unsure, unstable, silent or failed."""

    manifest: Path
    ledger: Path
    accepted: int
    accepted_minutes: float
    unsure: int
    """Below the least confidence."""
    unstable: int
    """Below the least agreement."""
    silent: int
    """Without words."""
    failed: tuple[dict[str, str], ...]
    """"id" and "error" of recordings that cannot be read; tried again the next time."""
    done_before: int
    """Of all, those that an earlier run had transcribed."""
    median_confidence: float
    """Of those accepted."""


def untranscribed(
    sources: Sequence[Path], lang: str, split: str = "train"
) -> tuple[list[Utterance], Mapping[str, int]]:
    """Speech to label: one manifest's `split`, or audio files and folders; and counts of other files by suffix.

    Utterances of files have no text and speaker; the id is the path below the folder that was given. Raises CorpusError
    for a manifest among other sources, where there is no audio, and for files in a language that is not given.
    """
    if any(path.suffix == ".jsonl" for path in sources):
        if len(sources) > 1:  # a manifest names speakers and ids, bare files do not: one ledger cannot hold both
            raise CorpusError("a manifest among other sources", where="label", fix="label them one after another")
        return select(read_manifest(sources[0]), split=split), {}
    inputs, where = collect(sources), ", ".join(map(str, sources))
    if not lang:
        raise CorpusError("the language of the speech is not known", where=where, fix="give --lang, such as --lang pt")
    if not inputs.files:
        raise CorpusError("no audio here", where=where, fix="check the paths")
    return from_files(inputs.files, lang), inputs.skipped


def from_files(files: Iterable[Input], lang: str) -> list[Utterance]:
    """Audio files as utterances without text and speaker, with the rights of their folders' `rights.jsonl`.

    The id is the path below the folder that was given.
    """
    files = list(files)
    rights = {folder: RightsFile.beside(folder) for folder in {f.audio.parent for f in files}}
    bare = (Utterance(str(f.output), f.audio.absolute(), "", lang, "", 0.0, "train") for f in files)
    return [rights[f.audio.parent].applied(utterance) for f, utterance in zip(files, bare, strict=True)]


def pseudo_label(
    work: Work,
    model: str,
    utterances: Sequence[Utterance],
    out: Path,
    options: PseudoLabelOptions = PseudoLabelOptions(),
    progress: Advance = silent,
) -> LabelReport:
    """Pseudo-label utterances with a model (`model` is its NAME@VERSION) and write the manifest `out`.

    `out` with `.heard.jsonl` instead of its suffix holds all transcripts, sure or not: a run that was stopped resumes
    after its last line, and another least confidence needs no second decoding. The texts that utterances had are not
    looked at. Raises CorpusError when nothing is accepted or ids repeat; SpecError when `out` cannot be written.
    """
    repeated = [id_ for id_, count in Counter(u.id for u in utterances).items() if count > 1]
    if repeated:
        raise CorpusError(f"id {repeated[0]!r} occurs more than once", where=out, fix="give each utterance its own")
    path = out.with_name(f"{out.stem}.heard.jsonl")
    try:
        ledger = Ledger(path)
    except OSError as error:
        raise SpecError(f"cannot be written ({error.strerror})", where=path, fix="choose another place") from error
    labels, errors, before = _labels(work, ledger, [u.audio for u in utterances], options, progress)
    failed = tuple({"id": u.id, "error": errors[u.audio]} for u in utterances if u.audio in errors)
    labelled = [(u, labels[u.audio]) for u in utterances if u.audio not in errors]
    with_words = [(u, label) for u, label in labelled if label.text.strip()]
    sure = [(u, label) for u, label in with_words if label.confidence >= options.least_confidence]
    accepted = sure
    # Only what is sure enough is transcribed a second time: that costs as much as the first.
    if options.least_agreement:
        faster, _, _ = _labels(replace(work, speed=_FASTER), ledger, [u.audio for u, _ in sure], options)
        accepted = [(u, own) for u, own in sure if _agreement(own, faster[u.audio]) >= options.least_agreement]
    unsure, unstable = len(with_words) - len(sure), len(sure) - len(accepted)
    silent_ones = len(labelled) - len(with_words)
    if not accepted:
        raise CorpusError(
            f"nothing to keep of {len(utterances)} recordings: {unsure} below the least confidence, {unstable} below "
            f"the least agreement, {silent_ones} without words, {len(failed)} unreadable",
            where=out,
            fix="lower --least-confidence and --least-agreement, or label with a better model",
        )
    inherited = Rights(restrictions=restrictions_of(work.model))
    rows = (_row(with_rights(u, inherited), label, model, out.parent) for u, label in accepted)
    write_lines(out, (json.dumps(row, ensure_ascii=False) for row in rows))
    minutes = round(sum(label.seconds for _, label in accepted) / 60, 3)
    confidence = median(label.confidence for _, label in accepted)
    done_before = sum(u.audio in before for u in utterances)
    return LabelReport(
        out, path, len(accepted), minutes, unsure, unstable, silent_ones, failed, done_before, confidence
    )


def _labels(
    work: Work, ledger: Ledger, recordings: Sequence[Path], options: PseudoLabelOptions, progress: Advance = silent
) -> tuple[dict[Path, PseudoLabel], dict[Path, str], set[Path]]:
    """Labels and errors by recording, and the recordings that the ledger had; new labels are added to it."""
    key = hashlib.sha256(work.key().encode()).hexdigest()[:16]  # another model or search makes other labels
    labels, errors = _earlier(ledger, key), dict[Path, str]()
    stamps = {audio: _stamp(audio) for audio in recordings}
    known = {a for a, stamp in stamps.items() if a in labels and (labels[a].size, labels[a].changed_ns) == stamp}
    progress(sum(audio in known for audio in recordings), "done before")
    pending = [audio for audio in stamps if audio not in known]
    for outcome in transcribe_files(work, pending, options.processes, on_ray=options.on_ray):
        if outcome.error:
            errors[outcome.audio] = outcome.error
        else:
            labels[outcome.audio] = label = _label(outcome, stamps[outcome.audio], key)
            ledger.add(asdict(label))
        progress(1, outcome.audio.name)
    return labels, errors, known


def _agreement(label: PseudoLabel, other: PseudoLabel) -> float:
    return Levenshtein.normalized_similarity(label.text, other.text)


def _earlier(ledger: Ledger, key: str) -> dict[Path, PseudoLabel]:
    labels = {}
    for line in ledger.lines:
        try:
            label = PseudoLabel(**line)
        except TypeError:  # a line of another version
            continue
        if label.key == key:
            labels[Path(label.audio)] = label
    return labels


def _stamp(audio: Path) -> tuple[int, int]:
    """Size and time of change: hashing would read a large collection once more. A missing file is reported later."""
    try:
        status = audio.stat()
    except OSError:
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def _label(outcome: Outcome, stamp: tuple[int, int], key: str) -> PseudoLabel:
    (transcript,) = outcome.transcripts  # of the mean of the channels
    seconds = round(transcript.duration_seconds, 4)
    return PseudoLabel(str(outcome.audio), *stamp, key, transcript.text, round(transcript.confidence, 4), seconds)


def _row(utterance: Utterance, label: PseudoLabel, model: str, folder: Path) -> dict[str, Any]:
    source = f"{BY_MODEL}{model}" + (f"; {utterance.source}" if utterance.source else "")
    labelled = replace(utterance, text=label.text, duration_seconds=label.seconds, split="train", source=source)
    return manifest_row(labelled, folder) | {"confidence": label.confidence}
