"""Reads what field linguists have: time-aligned transcripts of long recordings, whatever program wrote them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isinf
from pathlib import Path

from vizinho.corpora.conventions import speaker_labels
from vizinho.corpora.documents import Document, Tier
from vizinho.corpora.readers.base import UniqueIds, fail, split_named_by, splits_here, visible_files
from vizinho.corpora.readers.cutting import Cutter
from vizinho.corpora.readers.media import MediaFinder, Recording
from vizinho.corpora.tier_speakers import speakers_by_name, with_speakers
from vizinho.corpora.tiers import Choice, choose_tiers, matches
from vizinho.corpora.turns import FieldOptions, Note, OnNote, Turn, silent, turns_of
from vizinho.errors import CorpusError, OnProblem, VizinhoError
from vizinho.records import Place, Utterance

Parse = Callable[[Path, str, OnProblem], Document | Iterable[Document]]
"""Reads one file, in an encoding ("" for UTF-8), and reports its bad rows. Raises CorpusError for another format."""


_GUESS = FieldOptions()


def _any(_path: Path) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class FieldReader:
    """A reader (`vizinho.corpora.readers.base.Reader`) of one format, with options and with notes on what it does."""

    parse: Parse
    suffixes: tuple[str, ...]
    parentheses: str = "words"
    recognises: Callable[[Path], bool] = _any
    """Whether a file of these suffixes has the format."""
    options: FieldOptions = _GUESS
    on_note: OnNote = silent
    on_choice: Callable[[Choice], None] = silent

    def __call__(
        self, source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
    ) -> Iterator[Utterance]:
        """Read one file, or all files of a folder and its folders; each turn becomes a FLAC file under `audio_dir`.

        ::

            recordings/
                visit1.eaf  visit1.wav         a transcript beside its recording
                test/visit2.eaf  visit2.wav    in a folder named after a split

        A file that cannot be read is a problem; the others are read.
        """
        root = source if source.is_dir() else source.parent
        splits = _splits(self._files(source), source, split)
        reported: list[VizinhoError] = []

        def report(problem: VizinhoError) -> None:
            reported.append(problem)
            on_problem(problem)

        parsed = {name: list(self._documents(files, report)) for name, files in splits.items()}
        everything = [d for documents in parsed.values() for d in documents]
        choice = choose_tiers(everything, self.options.tiers, lang)
        _check_named(self.options.tiers, everything, source)
        if reported and not any(group.chosen for group in choice.groups):
            return  # the problems say why there is nothing
        _check(choice, source)
        named = speakers_by_name(everything, choice, lang)
        self.on_choice(choice.naming(named))
        labels = _shared_labels(parsed.values(), choice)
        finder = MediaFinder((*([source] if source.is_dir() else []), *self.options.media))
        pieces = _Pieces(lang, root, Cutter(audio_dir), UniqueIds())
        transcripts: dict[Path, Path] = {}
        for name, document in ((name, document) for name, documents in parsed.items() for document in documents):
            tiers = with_speakers((tier for tier in document.tiers if choice.takes(tier)), named)
            turns = self._turns(document, tiers, labels, on_problem)
            recording = self._recording(document, len(turns), finder, on_problem) if turns else None
            if recording is None:
                continue
            first = transcripts.setdefault(recording.path, document.path)
            if first != document.path:  # perhaps each has one speaker, perhaps one is a copy such as "visit (1).eaf"
                detail = f"{recording.path} has the transcript {first} too; both are read"
                self.on_note(Note("another transcript", str(document.path), detail))
            for number, turn in enumerate(turns, start=1):
                try:
                    yield pieces.utterance(document, recording, turn, number, name)
                except VizinhoError as problem:
                    on_problem(problem)

    def _files(self, source: Path) -> list[Path]:
        if not source.is_dir():
            return [source]
        paths = [path for path in visible_files(source) if path.suffix.lower() in self.suffixes]
        files = [path for path in paths if self.recognises(path)]
        for path in sorted({*paths} - {*files}):
            self.on_note(Note("another file", str(path), "does not begin as a file of this format does"))
        if not files:
            raise CorpusError(f"no {' or '.join(self.suffixes)} files here", where=source, fix="check the folder")
        return files

    def _documents(self, files: Sequence[Path], on_problem: OnProblem) -> Iterator[Document]:
        for file in files:
            try:
                parsed = self.parse(file, self.options.encoding, on_problem)
                yield from [parsed] if isinstance(parsed, Document) else parsed
            except VizinhoError as problem:
                on_problem(problem)

    def _turns(
        self, document: Document, tiers: Sequence[Tier], labels: frozenset[str], on_problem: OnProblem
    ) -> list[Turn]:
        if not any(span.text for tier in tiers for span in tier.spans):
            detail = f"no text in {', '.join(t.name for t in tiers or document.tiers) or 'any tier'}"
            self.on_note(Note("untranscribed", str(document.path), detail))
        options = replace(self.options, parentheses=self.options.parentheses or self.parentheses)
        return turns_of(document, tiers, options, self.on_note, on_problem, labels)

    def _recording(
        self, document: Document, turns: int, finder: MediaFinder, on_problem: OnProblem
    ) -> Recording | None:
        try:
            recording = finder.find(document)
        except CorpusError as problem:
            on_problem(CorpusError(f"{problem.what}, for {turns} turns", where=problem.where, fix=problem.fix))
            return None
        if recording.moved:
            names = ", ".join(media.name for media in document.media)
            self.on_note(Note("recording elsewhere", str(document.path), f"{names} is read from {recording.path}"))
        return recording


def _splits(files: Sequence[Path], source: Path, split: str | None) -> dict[str, list[Path]]:
    """Files by split: that of the nearest folder named after one, or all in the one that the source becomes."""
    named = {file: split_named_by(file.parent, source) if file.parent != source else None for file in files}
    # A folder "test" beside unnamed files is a part that was held out, so the rest is train.
    if not source.is_dir() or not any(named.values()):
        return {split or split_named_by(source.absolute()) or "train": list(files)}
    splits: dict[str, list[Path]] = {}
    for file, name in named.items():
        splits.setdefault(name or "train", []).append(file)
    return splits_here(splits, split, source)


def _check_named(patterns: Sequence[str], documents: Sequence[Document], source: Path) -> None:
    tiers = [tier for document in documents for tier in document.tiers]
    unmatched = [p for p in patterns if tiers and not any(matches(tier, p) for tier in tiers)]
    if unmatched:
        names = ", ".join(sorted({tier.name for tier in tiers}))
        what = f"no tier is called {unmatched[0]!r}; the tiers are {names}"
        raise CorpusError(what, where=source, fix="give --tier a name, a type or a wildcard such as 'tx@*'")


def _check(choice: Choice, source: Path) -> None:
    if not any(group.chosen for group in choice.groups):
        tiers = ", ".join(sorted({name for group in choice.groups for name in group.names})) or "none"
        if choice.guessed and not any(group.texts for group in choice.groups):
            raise CorpusError(f"nothing is transcribed: no text in {tiers}", where=source, fix="transcribe some of it")
        fix = "give --tier with the name of the transcription"
        raise CorpusError(f"no tier with a transcription among: {tiers}", where=source, fix=fix)


def _shared_labels(parsed: Iterable[Sequence[Document]], choice: Choice) -> frozenset[str]:
    """Speakers that texts begin with, over all documents: a short one says each name only once."""
    tiers = (t for documents in parsed for document in documents for t in document.tiers if choice.takes(t))
    return speaker_labels(span.text for tier in tiers for span in tier.spans if span.text)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Cuts turns out of their recordings."""

    lang: str
    root: Path
    cut: Cutter
    ids: UniqueIds

    def utterance(self, document: Document, recording: Recording, turn: Turn, number: int, split: str) -> Utterance:
        """The utterance of a turn. Raises CorpusError where the recording does not have it."""
        parts = document.path.relative_to(self.root).with_suffix("").parts
        start, end = (t + recording.offset_seconds for t in (turn.span.start_seconds, turn.span.end_seconds))
        stem = "-".join(filter(None, (*parts, document.part, f"{round(start * 1000):08d}")))
        utterance_id = self.ids(stem, number)
        audio, seconds = self.cut(
            recording.path, start, None if isinf(end) else end, utterance_id, turn.where, turn.span.channel
        )
        return Utterance(
            id=utterance_id,
            audio=audio,
            text=turn.speech.text,
            lang=self.lang,
            speaker=turn.span.speaker,
            duration_seconds=round(seconds, 4),
            split=split,
            events=" ".join(turn.speech.events),
            licence=document.licence,
            place=Place(recording.path, round(start, 4), turn.tier),
        )
