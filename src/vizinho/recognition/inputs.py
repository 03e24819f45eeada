"""Which files a transcription works on, and what each one's output is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vizinho.errors import AudioError, SpecError

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".webm", ".m4a", ".mp4", ".mkv")
"""What is taken from a folder; a file that is named is tried whatever its suffix."""
STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class Input:
    """A file to transcribe; `output` is relative to the output folder and has no suffix."""

    audio: Path
    output: Path


@dataclass(frozen=True, slots=True)
class Inputs:
    """All files in order; `left_out` counts files of folders by their suffix, because they are no audio."""

    files: tuple[Input, ...]
    left_out: dict[str, int]


def collect(places: Sequence[Path]) -> Inputs:
    """Files, the audio in folders (at any depth, by name), and `-` for standard input.

    Raises AudioError for a place that does not exist, SpecError when two files would have the same output.
    """
    found: list[tuple[Path, Path]] = []
    left_out: Counter[str] = Counter()
    for place in places:
        if place == STDIN:
            found.append((STDIN, Path("stdin")))
        elif place.is_dir():
            for file in sorted(p for p in place.rglob("*") if p.is_file()):
                relative = file.relative_to(place)
                if any(part.startswith(".") for part in relative.parts):
                    continue
                if file.suffix.lower() in SUFFIXES:
                    found.append((file, relative))
                else:
                    left_out[file.suffix.lower() or "no suffix"] += 1
        elif place.exists():
            found.append((place, Path(place.name)))
        else:
            raise AudioError("no such file or folder", where=place, fix="check the path")
    return Inputs(tuple(Input(audio, output) for audio, output in _outputs(found)), dict(left_out))


def _outputs(found: Sequence[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    """Names without suffix; a.wav and a.mp3 side by side keep theirs."""
    found = list(dict(found).items())
    stems = Counter(output.with_suffix("") for _, output in found)
    named = [(audio, out if stems[out.with_suffix("")] > 1 else out.with_suffix("")) for audio, out in found]
    for output, count in Counter(output for _, output in named).items():
        if count > 1:
            where = ", ".join(str(audio) for audio, out in named if out == output)
            raise SpecError(f"{count} files would be written to {output}", where=where, fix="give a folder above them")
    return named
