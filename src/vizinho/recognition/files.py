"""Transcribes many files: which ones, in how many processes, and into a folder that knows which of them are done.

A file that cannot be read is reported, and the others are still transcribed.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path

from vizinho.audio.blocks import mono, read_blocks
from vizinho.audio.io import Waveform
from vizinho.decoding.setup import DecoderSpec
from vizinho.errors import AudioError, SpecError
from vizinho.files import sha256, write_text
from vizinho.ledger import Ledger
from vizinho.parallel import set_threads, spread
from vizinho.recognition.cache import key_of
from vizinho.recognition.engines import TorchEngine
from vizinho.recognition.formats import render, suffix_of
from vizinho.recognition.punctuated import Punctuation
from vizinho.recognition.recognizer import Recognizer, TranscribeOptions, beginning
from vizinho.recognition.speakers import with_speakers
from vizinho.recognition.written import written_transcript
from vizinho.records import Transcript

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".webm", ".m4a", ".mp4", ".mkv")
"""Files of a folder that are audio; a file given by name is tried whatever its suffix."""
STDIN = Path("-")
LEDGER = "transcribed.jsonl"
_GROUP = 16
"""Files that a process takes at a time; short ones among them share batches."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file to transcribe; `output` is relative to the output folder and has no suffix."""

    audio: Path
    output: Path


@dataclass(frozen=True, slots=True)
class Inputs:
    """All files in order; `skipped` counts files of folders by their suffix, because they are not audio."""

    files: tuple[Input, ...]
    skipped: dict[str, int]


def collect(places: Sequence[Path]) -> Inputs:
    """Files, the audio in folders (at any depth, by name), and `-` for standard input.

    Raises AudioError for a place that does not exist, SpecError when two files would have the same output.
    """
    audio: dict[Path, Path] = {}
    skipped: Counter[str] = Counter()
    for place in places:
        if place == STDIN:
            audio[STDIN] = Path("stdin")
        elif place.is_dir():
            for file in sorted(p for p in place.rglob("*") if p.is_file()):
                relative, suffix = file.relative_to(place), file.suffix.lower()
                if any(part.startswith(".") for part in relative.parts):
                    continue
                if suffix in SUFFIXES:
                    audio[file] = relative
                else:
                    skipped[suffix or "no suffix"] += 1
        elif place.exists():
            audio[place] = Path(place.name)
        else:
            raise AudioError("no such file or folder", where=place, fix="check the path")
    return Inputs(_with_outputs(audio), dict(skipped))


def _with_outputs(audio: dict[Path, Path]) -> tuple[Input, ...]:
    """Output names lose their suffix; a.wav and a.mp3 side by side keep theirs."""
    stems = Counter(path.with_suffix("") for path in audio.values())
    inputs = tuple(Input(f, p if stems[p.with_suffix("")] > 1 else p.with_suffix("")) for f, p in audio.items())
    for output, count in Counter(i.output for i in inputs).items():
        if count > 1:
            where = ", ".join(str(i.audio) for i in inputs if i.output == output)
            raise SpecError(f"{count} files would be written to {output}", where=where, fix="give a folder above them")
    return inputs


@dataclass(frozen=True, slots=True)
class Work:
    """What a process needs to know to transcribe; sent to each."""

    model: Path
    engine: str = "onnx"
    threads: int = 1
    split_channels: bool = False
    """Transcribe channels one by one instead of their mean."""
    decoder: DecoderSpec | None = None
    """A beam search with language models or hotwords; None decodes greedily."""
    n_best: int = 0
    """Alternatives that each transcript lists; they need a beam search."""
    language: str | None = None
    """What is spoken, for a model of many languages; None for the model's own."""
    speakers: int | None = None
    """How many people speak, who are told apart: 0 where that is not known, None for nobody told apart."""
    numerals: str = ""
    """Language whose numbers are written in digits; empty leaves them in words."""
    punctuation: Callable[[], Punctuation] | None = None
    """Opens the tagger that gives marks and capitals, in each process."""
    punctuation_key: str = ""
    """Names that tagger."""
    speed: float = 1.0
    """How much faster recordings are played; times are those of what is played."""

    def key(self) -> str:
        """Names everything that shapes the texts; the number of threads does not."""
        key = f"{key_of(self.model)}|{self.engine}|{'channels' if self.split_channels else 'mono'}"
        key += f"|{self.n_best} best" if self.n_best else ""
        key += f"|{self.speakers} speakers" if self.speakers is not None else ""
        key += f"|in {self.language}" if self.language else ""
        key += f"|digits of {self.numerals}" if self.numerals else ""
        key += f"|punctuation {self.punctuation_key}" if self.punctuation else ""
        key += f"|speed {self.speed:g}" if self.speed != 1 else ""
        if self.decoder is None:
            return key
        rescoring = self.decoder.rescoring
        files = (*self.decoder.files, *(rescoring.files if rescoring else ()))
        models = [sha256(path) for path in files if path.is_file()]  # their content, not their names
        key += f"|{rescoring.options}" if rescoring else ""
        key += f"|listed {sorted(self.decoder.listed.items())}" if self.decoder.listed else ""
        return f"{key}|{self.decoder.options}|{sorted(self.decoder.hotwords.items())}|{models}"

    def open(self) -> Recognizer:
        """The recogniser that every process loads for itself. Raises what `Recognizer.load` raises."""
        options = TranscribeOptions(n_best=self.n_best)
        recognizer = Recognizer.load(
            self.model, self.engine, options, threads=self.threads, search=self.decoder, language=self.language
        )
        if isinstance(recognizer.engine, TorchEngine) or (self.decoder and self.decoder.rescoring):
            set_threads(self.threads)
        return recognizer


@dataclass(frozen=True, slots=True)
class Outcome:
    """A file's transcripts (one, or one a channel), or what is wrong with it."""

    audio: Path
    transcripts: tuple[Transcript, ...] = ()
    error: str = ""


def transcribe_files(
    work: Work, files: Sequence[Path], processes: int = 1, stdin: bytes = b"", *, on_ray: bool = False
) -> Iterator[Outcome]:
    """Outcomes in the order of the files, as they come; `-` stands for the bytes of `stdin`.

    Raises ModelError for a model that cannot be opened, VizinhoError when a process dies.
    """
    if len(files) > _GROUP and (processes > 1 or on_ray):
        work.open()  # exports the model once, and reports a broken one before any process starts
    yield from spread(_opened, (work, stdin), files, group=_GROUP, processes=processes, on_ray=on_ray)


def _opened(work: Work, stdin: bytes) -> Callable[[Sequence[Path]], list[Outcome]]:
    """What every process does for itself, once."""
    recognizer = work.open()
    punctuation = None
    if work.punctuation:
        punctuation = work.punctuation()
        set_threads(work.threads)  # torch is there only with it
    return lambda group: [
        replace(
            outcome, transcripts=tuple(written_transcript(t, punctuation, work.numerals) for t in outcome.transcripts)
        )
        for outcome in _transcribe(recognizer, work, group, stdin)
    ]


def _transcribe(recognizer: Recognizer, work: Work, group: Sequence[Path], stdin: bytes) -> list[Outcome]:
    """Short recordings in common batches, long ones block by block; outcomes in the order of the group."""
    transcripts: dict[Path, list[Transcript]] = {audio: [] for audio in group}
    errors: dict[Path, str] = {}
    short: list[tuple[Path, Waveform]] = []
    for audio in transcripts:
        try:
            source = stdin if audio == STDIN else audio
            for number, blocks in enumerate(_channels(source, work)):
                start, rest = beginning(blocks, recognizer.options.cut_above_seconds)
                if rest is None:
                    short.append((audio, start))
                    continue
                transcript = recognizer.transcribe(chain([start], rest), str(audio))
                if work.speakers is not None:
                    # Read once more, so that long recordings need no memory.
                    again = next(islice(_channels(source, work), number, None))
                    transcript = with_speakers(transcript, again, work.speakers or None)
                transcripts[audio].append(transcript)
        except AudioError as error:
            errors[audio] = str(error)
    # A file may break off in a later channel, after an earlier one was put with the short ones.
    short = [(audio, samples) for audio, samples in short if audio not in errors]
    names = [str(audio) for audio, _ in short]
    decoded = recognizer.transcribe_many([samples for _, samples in short], names)
    for (audio, samples), transcript in zip(short, decoded, strict=True):
        if work.speakers is not None:
            transcript = with_speakers(transcript, [samples], work.speakers or None)
        transcripts[audio].append(transcript)
    return [Outcome(a, error=errors[a]) if a in errors else Outcome(a, tuple(transcripts[a])) for a in group]


def _channels(source: Path | bytes, work: Work) -> Iterator[Iterator[Waveform]]:
    """Blocks of the mean of the channels, or of each channel; the source is read again for each, to hold no samples."""
    if not work.split_channels:
        yield map(mono, read_blocks(source, "standard input", speed=work.speed))
        return
    count = next(read_blocks(source, "standard input")).shape[0]
    for number in range(count):
        yield (block[number] for block in read_blocks(source, "standard input", speed=work.speed))


@dataclass(frozen=True, slots=True)
class Done:
    """One line of the ledger: which bytes were transcribed, how, and to where."""

    audio: str
    sha256: str
    key: str
    """Names the model and everything else that shapes the text."""
    output: str


class OutputFolder:
    """FOLDER/NAME.SUFFIX for each file, and FOLDER/transcribed.jsonl, which gets a line when an output is in place.

    A file is done when the same bytes were transcribed to the same output with the same `key`. Raises SpecError when
    the folder cannot be written.
    """

    def __init__(self, folder: Path, kind: str, key: str) -> None:
        self._folder, self._kind, self._key, self._suffix = folder, kind, key, suffix_of(kind)
        try:
            self._ledger = Ledger(folder / LEDGER)
        except OSError as error:
            raise SpecError(
                f"cannot be written ({error.strerror})", where=folder, fix="choose a writable folder"
            ) from error
        if self._ledger.alone:  # otherwise what is half-written may be another process's work in progress
            self._sweep()
        self._done = self._read()
        self._pending: dict[Path, Done] = {}

    def pending(self, inputs: Sequence[Input]) -> list[Path]:
        """The files that are not done yet, in order."""
        for file in inputs:
            done = Done(str(file.audio), _content(file.audio), self._key, f"{file.output}.{self._suffix}")
            if done not in self._done or not (self._folder / done.output).is_file():
                self._pending[file.audio] = done
        return list(self._pending)

    def write(self, outcome: Outcome) -> None:
        """Put a pending file's output in place, whole, then note it."""
        done = self._pending[outcome.audio]
        path = self._folder / done.output
        audio = None if outcome.audio == STDIN else outcome.audio
        write_text(path, render(outcome.transcripts, self._kind, audio, path))
        self._ledger.add(asdict(done))

    def _sweep(self) -> None:
        """Remove half-written outputs of killed processes; `files.replacing` names them so."""
        half = re.compile(rf"\..+\.{re.escape(self._suffix)}\.[0-9a-f]{{12}}")
        for path in self._folder.rglob(f".*.{self._suffix}.*"):
            if half.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _read(self) -> set[Done]:
        """Lines of another form are not outputs of this program, and their files are done again."""
        done = set()
        for line in self._ledger.lines:
            with contextlib.suppress(TypeError):
                done.add(Done(**line))
        return done


def _content(audio: Path) -> str:
    """Hash of a file; none for standard input, and for a file that cannot be read, which is reported when opened."""
    try:
        return "" if audio == STDIN else sha256(audio)
    except OSError:
        return ""
