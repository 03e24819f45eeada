"""A recording and its rough text become a corpus: a neighbour's model says where each sentence lies.

text -> the target's letters by the transfer plan -> frames -> placements -> manifest; with more rounds, a transfer
trained on that places the text again.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vizinho.audio.io import seconds_of
from vizinho.corpora.encodings import UNREADABLE, check_encoding
from vizinho.corpora.manifest import write_lines, write_manifest
from vizinho.corpora.readers.cutting import Cutter
from vizinho.corpora.rights_file import RightsFile
from vizinho.corpora.rough_text import RoughUtterance, read_rough_text
from vizinho.errors import CorpusError, ModelError, SpecError, TextError
from vizinho.job.aligner import Aligner
from vizinho.job.data import read_dataset
from vizinho.job.fit import fit_job
from vizinho.job.job import Job
from vizinho.job.start import make_ready, sound_similarity
from vizinho.model.checkpoint import load_checkpoint
from vizinho.model.presets import donor_kind
from vizinho.progress import Event, unseen
from vizinho.recognition.align import Frames, Placement, place
from vizinho.recognition.align_confidence import least_confidence
from vizinho.records import Place, Utterance
from vizinho.store.store import Store
from vizinho.text.language import same_language
from vizinho.text.normalize import Normalizer, get_normalizer
from vizinho.text.orthography import read_orthography
from vizinho.training.recipes import default_recipe

VERDICTS = ("accepted", "unsure", "not there", "unclear", "unreadable")
"""What becomes of an utterance of the text: "not there" is one that the search left out, "unclear" one whose text lacks
words, "unreadable" one that cannot be written in letters, for a number or broken characters."""
NAMED = 5
"""Unreadable utterances that are shown; the alignment has all."""
_LIKELY = 0.9
"""Precision of the confidence from which an utterance counts as found."""
_LEAST_SHARE = 0.1
"""Where less is found, of the text and of the recording's speech, the two do not belong together: of another
recording's text at most 3 % were found (six pairs)."""
_LEAST_LETTERS = 0.5
"""Share of a text's letters that the model must have."""


@dataclass(frozen=True, slots=True)
class AlignOptions:
    """How to align."""

    precision: float = 0.99
    """Share of the accepted utterances that are right, by the calibration of docs/align.md."""
    rounds: int = 1
    """With 2, a model that is trained on what the first round accepts aligns again."""
    donor_language: str | None = None
    """The model's language where its card does not say it."""
    speaker: str = ""
    """Who speaks where the text does not say it."""
    steps: int | None = None
    """Optimiser steps between rounds, instead of the recipe's."""
    seed: int = 1
    encoding: str = ""
    """Encoding of lines of the text that are not UTF-8."""
    orthography: Path | None = None
    """How the language is spelt; that of the model, or the language's, if not given."""

    def __post_init__(self) -> None:
        check_encoding(self.encoding)
        if self.rounds < 1:
            raise SpecError(f"{self.rounds} rounds", where="--rounds", fix="give 1 or more")
        least_confidence(self.precision)  # refuses a precision that is not known


@dataclass(frozen=True, slots=True)
class AlignReport:
    """What was accepted and what was not; every utterance of the text counts once in `verdicts`."""

    manifest: Path
    alignment: Path
    """Every utterance of the text with its times, confidence and verdict."""
    utterances: int
    verdicts: dict[str, int]
    minutes: float
    accepted_minutes: float
    letters_without_row: str
    """Letters of the text that the model has no row for; they take no part in the search."""
    precision: float
    """What was asked for."""
    least_confidence: float
    """From which utterances are accepted."""
    rounds: int
    unreadable: tuple[str, ...] = ()
    """Place and reason of each utterance with this verdict."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    """One utterance of the text, and what a model reads of it: normalised words, or none and the reason."""

    written: RoughUtterance
    words: str
    reason: str = ""

    @classmethod
    def of(cls, written: RoughUtterance, normalizer: Normalizer) -> _Sentence:
        if UNREADABLE in written.text:
            return cls(written, "", "broken characters; name what the text is in, such as --encoding cp1252")
        try:
            return cls(written, normalizer(written.text))
        except TextError as error:
            return cls(written, "", error.what)


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the alignment: a sentence, where it was placed, and what became of it."""

    sentence: _Sentence
    placement: Placement | None
    least: float

    @property
    def verdict(self) -> str:
        if self.sentence.reason:
            return "unreadable"
        if self.placement is None:
            return "not there"
        if self.sentence.written.unclear:
            return "unclear"
        return "accepted" if self.placement.confidence >= self.least else "unsure"

    def row(self) -> dict[str, Any]:
        written, reason = self.sentence.written, self.sentence.reason
        times = {} if self.placement is None else {k: round(v, 4) for k, v in _flat(self.placement).items()}
        values = {"line": written.line, "text": written.text, "speaker": written.speaker, "verdict": self.verdict}
        return values | times | ({"reason": reason} if reason else {})


def _flat(placement: Placement) -> dict[str, float]:
    """Times and confidence, and what the confidence rests on."""
    evidence: dict[str, float] = asdict(placement.evidence)
    times = {"start_seconds": placement.start_seconds, "end_seconds": placement.end_seconds}
    return times | {"confidence": placement.confidence} | evidence


@dataclass(frozen=True, slots=True)
class _Pair:
    """A recording and its text."""

    recording: Path
    text: Path
    seconds: float
    sentences: tuple[_Sentence, ...]

    @property
    def words(self) -> list[str]:
        """Normalised texts of all sentences that can be read."""
        return [sentence.words for sentence in self.sentences if sentence.words]


def align_recording(
    recording: Path,
    text: Path,
    *,
    model: str | Path,
    lang: str,
    out: Path,
    options: AlignOptions = AlignOptions(),
    store: Store | None = None,
    show: Event = unseen,
) -> AlignReport:
    """Cut a recording into the utterances of its text and write the manifest `out`.

    Clips go to `<manifest name>_audio`, and all utterances with their confidence to `<manifest name>.alignment.jsonl`.

    Args:
        recording: Audio of any length.
        text: What is said in it: lines and sentences in their order. Some may be missing on either side.
        model: NAME, NAME@VERSION, a folder or a hub id; of `lang`, or of a neighbour.
        lang: Language of the recording.
        out: The manifest.
        options: How to align.
        store: Where models live; the user's store if not given.
        show: Told of the progress.

    Raises CorpusError for a text without words, of another recording, or too long for it; AudioError for a recording
    that cannot be read; ModelError and SpecError for a model that cannot align this language.
    """
    store = store or Store()
    seconds = seconds_of(recording)  # an unreadable recording is refused before anything long begins
    folder, card = store.resolve(str(model)), store.card(str(model))
    own = card is not None and same_language(card.language, lang)
    spelt = get_normalizer(lang, read_orthography(options.orthography)) if options.orthography else None
    normalizer = spelt or (card.text_normalizer() if card and own else None) or get_normalizer(lang)
    written = read_rough_text(text, lang, options.encoding)
    pair = _Pair(recording, text, seconds, tuple(_Sentence.of(utterance, normalizer) for utterance in written))
    job = Job(lang, (), folder, options.donor_language or (card.language if card else None))
    aligner = Aligner.of(load_checkpoint(folder), normalizer, folder) if own else None
    aligner = aligner or Aligner.untrained(job, pair.words, normalizer)
    work, source = out.with_name(f"{out.stem}.rounds"), f"aligned by {model}"
    for number in range(1, options.rounds):
        shown = partial(_named, show, f"round {number}: ")
        lines = _aligned(pair, aligner, options, shown)
        manifest = work / f"round{number}.jsonl"
        _cut(pair, lines, lang, manifest, options.speaker, source)
        aligner = _trained(replace(job, corpora=(manifest,)), normalizer, work / f"round{number}", options, shown)
        source = f"aligned by {model} after round {number}"
    lines = _aligned(pair, aligner, options, partial(_named, show, f"round {options.rounds}: " * (options.rounds > 1)))
    accepted = _cut(pair, lines, lang, out, options.speaker, source)
    alignment = out.with_name(f"{out.stem}.alignment.jsonl")
    write_lines(alignment, (json.dumps(line.row(), ensure_ascii=False) for line in lines))
    shutil.rmtree(work, ignore_errors=True)
    counts = Counter(line.verdict for line in lines)
    return AlignReport(
        out,
        alignment,
        len(lines),
        {verdict: counts[verdict] for verdict in VERDICTS},
        round(seconds / 60, 3),
        round(sum(u.duration_seconds for u in accepted) / 60, 3),
        "".join(letter for letter, _ in aligner.lacking(pair.words).most_common()),
        options.precision,
        least_confidence(options.precision),
        options.rounds,
        tuple(f"{text}:{s.written.line}: {s.reason}" for s in pair.sentences if s.reason),
    )


def _named(show: Event, prefix: str, name: str, total: float, amount: float, note: str = "") -> None:
    show(prefix + name, total, amount, note)


def _aligned(pair: _Pair, aligner: Aligner, options: AlignOptions, show: Event) -> list[_Line]:
    """Every sentence with its placement. Raises CorpusError where the text does not seem to be the recording's."""
    _check_letters(pair, aligner)
    tokens = [aligner.tokens(sentence.words) for sentence in pair.sentences]
    listening = partial(show, "listening", pair.seconds)
    listening(0, "")
    frames = aligner.frames(pair.recording, listening)
    if not frames.speech_seconds:
        raise CorpusError("nobody speaks in the recording", where=pair.recording, fix="check the file")
    aligning = partial(show, "aligning", len(frames.starts))
    aligning(0, "")
    numbers = [number for number, of_one in enumerate(tokens) if of_one.size]
    try:
        placed = place(frames, [tokens[n] for n in numbers], aligner.columns.breaks, aligning, options.seed)
    except CorpusError as error:
        raise CorpusError(error.what, where=pair.text, fix=error.fix) from error
    by_number, least = dict(zip(numbers, placed, strict=True)), least_confidence(options.precision)
    lines = [_Line(sentence, by_number.get(number), least) for number, sentence in enumerate(pair.sentences)]
    _check_belongs(lines, frames, pair)
    return lines


def _check_letters(pair: _Pair, aligner: Aligner) -> None:
    letters = sum(letter != " " for words in pair.words for letter in words)
    if not letters:
        reason = next((f" ({s.reason})" for s in pair.sentences if s.reason), "")
        raise CorpusError(f"the text has no letters{reason}", where=pair.text, fix="give the text of the recording")
    lacking = aligner.lacking(pair.words)
    if lacking.total() > (1 - _LEAST_LETTERS) * letters:
        common = " ".join(letter for letter, _ in lacking.most_common(10))
        what = f"the model has nothing for {lacking.total() / letters:.0%} of the letters, such as {common}"
        fix = "choose a model that writes this script, or install the extra speak"
        raise ModelError(what, where=pair.text, fix=fix)


def _check_belongs(lines: Sequence[_Line], frames: Frames, pair: _Pair) -> None:
    """Raises CorpusError where nothing is accepted, or too little is likely to believe that the text belongs to it."""
    placed = [line.placement for line in lines if line.placement]
    likely = [p for p in placed if p.confidence >= least_confidence(_LIKELY)]
    share = max(len(likely) / len(lines), sum(p.end_seconds - p.start_seconds for p in likely) / frames.speech_seconds)
    accepted = sum(line.verdict == "accepted" for line in lines)
    if not accepted or len(likely) < 2 or share < _LEAST_SHARE:
        best = max((p.confidence for p in placed), default=0.0)
        raise CorpusError(
            f"only {accepted} of {len(lines)} utterances are found in {pair.recording}, and {len(likely)} are likely "
            f"(best confidence {best:.2f}): this is the text of another recording, or the model is too far from its "
            "language",
            where=pair.text,
            fix="check that they belong together; give a nearer model, or a lower --precision",
        )


def _cut(pair: _Pair, lines: Sequence[_Line], lang: str, manifest: Path, speaker: str, source: str) -> list[Utterance]:
    """Write clips and manifest of the accepted utterances."""
    cutter, utterances = Cutter(manifest.with_name(f"{manifest.stem}_audio")), list[Utterance]()
    rights = RightsFile.beside(pair.recording)
    for line in lines:
        if line.verdict != "accepted" or line.placement is None:
            continue
        start, end, written = line.placement.start_seconds, line.placement.end_seconds, line.sentence.written
        id_ = f"{pair.recording.stem}-{round(start * 1000):08d}"
        audio, seconds = cutter(pair.recording, start, end, id_, f"{pair.text}:{written.line}")
        utterance = Utterance(
            id_, audio.absolute(), written.text, lang, written.speaker or speaker, round(seconds, 4), "train"
        )
        utterance = replace(
            utterance,
            source=source,
            events=written.events,
            confidence=round(line.placement.confidence, 4),
            place=Place(pair.recording.absolute(), round(start, 4)),
        )
        utterances.append(rights.applied(utterance))
    write_manifest(manifest, utterances)
    return utterances


def _trained(job: Job, normalizer: Normalizer, folder: Path, options: AlignOptions, show: Event) -> Aligner:
    """The network after a transfer to what was accepted; its checkpoints lie in `folder` until all rounds are done."""
    assert job.donor is not None
    dataset = read_dataset(job.corpora, job.language, seed=options.seed, normalizer=normalizer)
    minutes = sum(u.duration_seconds for u in dataset.train) / 60
    recipe = replace(default_recipe("transfer", minutes, donor=donor_kind(job.donor)), seed=options.seed)
    recipe = recipe if options.steps is None else replace(recipe, steps=options.steps)
    ready = make_ready(replace(job, options=recipe), sound_similarity, dataset=dataset)
    training = partial(show, "training", recipe.steps)
    training(0, "")
    finished = fit_job(ready, folder, progress=training)
    return Aligner.of(finished.ready.checkpoint, normalizer, job.donor)


def report_lines(report: AlignReport) -> Iterator[str]:
    """What was accepted and what was not, for people."""
    yield (
        f"{report.manifest}: {report.verdicts['accepted']} of {report.utterances} utterances, "
        f"{report.accepted_minutes:.1f} of {report.minutes:.1f} minutes"
    )
    others = ", ".join(f"{count} {verdict}" for verdict, count in report.verdicts.items() if verdict != "accepted")
    yield f"left out: {others}"
    yield (
        f"accepted from a confidence of {report.least_confidence:.3f}: at least {report.precision:.1%} of these were "
        "right on other languages"
    )
    yield from (f"unreadable: {line}" for line in report.unreadable[:NAMED])
    if report.letters_without_row:
        yield f"letters without a row in the model: {' '.join(report.letters_without_row)}"
    yield f"all utterances with times and confidences: {report.alignment}"
