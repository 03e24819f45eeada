"""Whisper's tokens: prompts, the text that they spell, and its words with their times."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.audio.logmel import Features
from vizinho.errors import ModelError, SpecError, first_line
from vizinho.recognition.whisper_export import ENCODER_RATE, START
from vizinho.records import Word
from vizinho.text.language import Language

_SPACE = "Ġ"
"""How byte-level tokens write a space."""
_UNREADABLE = "\ufffd"
_QUIET = 35 / 40
"""35 dB below the loudest band; features count 40 dB as one."""
_CODES = {"jv": "jw", "nb": "no", "fil": "tl"}
"""Whisper's own codes, where they are not those of the registry."""


@dataclass(frozen=True, slots=True)
class Span:
    """A word of a text: tokens `first` to `end` (exclusive), and of these the ones from `spoken` to `spoken_end`."""

    text: str
    first: int
    end: int
    spoken: int
    """First token that is not a punctuation mark alone: marks take no time."""
    spoken_end: int


class WhisperTokens:
    """The tokens of one model."""

    def __init__(self, tokenizer: Any, languages: Mapping[str, int]) -> None:
        self._tokenizer, self.languages = tokenizer, languages
        self.end, self.start = self._row("<|endoftext|>"), self._row(START)
        self._task = [self._row("<|transcribe|>")] if languages else []
        self._plain, self._previous = self._row("<|notimestamps|>"), self._row("<|startofprev|>")
        # Specials and timestamps; the rows of an older tokeniser end before the timestamps.
        self._special = {
            row for row, token in tokenizer.get_added_tokens_decoder().items() if token.content.startswith("<|")
        }
        self._rows = tokenizer.get_vocab_size()
        # -1 stands for what the model's settings suppress. Times are not asked for, so they are no text either.
        self.suppressed = [-1, *sorted(row for row in self._special if row > self._plain)]

    @classmethod
    def load(cls, folder: Path, languages: Mapping[str, int]) -> WhisperTokens:
        """From a folder with tokenizer.json. Raises ModelError when there is none of Whisper's kind."""
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_file(str(folder / "tokenizer.json")), languages)
        except Exception as error:  # the library raises Exception itself
            raise ModelError(f"tokenizer.json cannot be read ({first_line(error)})", where=folder) from error

    def language(self, code: str) -> int:
        """The token of a language. Raises SpecError for one that the model has no token for."""
        if not self.languages:
            if Language.of(code).base == "en":
                return -1
            raise SpecError("this model knows English alone", where=code, fix="use a multilingual one")
        base = Language.of(code).base
        for name in (code.lower(), base, _CODES.get(base, base)):
            if name in self.languages:
                return self.languages[name]
        known = ", ".join(self.languages)
        raise SpecError(f"this model has no token for the language {code!r}", where="language", fix=f"it has {known}")

    def begin(self, language: int) -> list[int]:
        """What stands before a text: the start, language and task; a model of English alone has only the start."""
        return [self.start, *([language] if self.languages else []), *self._task]

    def prompt(self, language: int, before: Sequence[int] = ()) -> list[int]:
        """`begin`, for a text without timestamps, after what `hint` returned."""
        return [*before, *self.begin(language), self._plain]

    def returned(self, prompt: Sequence[int]) -> int:
        """How much of a prompt's end CTranslate2 takes for text and returns: all from a language after the times."""
        late = [place for place, row in enumerate(prompt) if row > self._plain]
        return len(prompt) - late[0] if late else 0

    def hint(self, hotwords: Sequence[str], most: int) -> list[int]:
        """At most `most` tokens of words to expect, as if they had been said before; none without words."""
        if not hotwords:
            return []
        rows = self._tokenizer.encode(" " + ", ".join(hotwords), add_special_tokens=False).ids
        return [self._previous, *rows[: most - 1]]

    def written(self, rows: Sequence[int]) -> tuple[int, ...]:
        """The tokens that spell text."""
        return tuple(row for row in rows if row < self._rows and row not in self._special)

    def text(self, rows: Sequence[int]) -> str:
        """The text of tokens, on one line; bytes that are no character are left out."""
        text = str(self._tokenizer.decode(list(rows), skip_special_tokens=False))
        return " ".join(text.replace(_UNREADABLE, "").split())

    def spans(self, rows: Sequence[int]) -> Iterator[Span]:
        """The words of a text: a token that begins with a space begins one."""
        names = [str(self._tokenizer.id_to_token(row)) for row in rows]
        starts = [i for i, name in enumerate(names) if i == 0 or name.startswith(_SPACE)]
        for first, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            text = self.text(rows[first:end])
            if text:
                spoken = [i for i in range(first, end) if not self._is_mark(rows[i])] or [first, end - 1]
                yield Span(text, first, end, spoken[0], spoken[-1] + 1)

    def _is_mark(self, row: int) -> bool:
        text = str(self._tokenizer.decode([row]))
        # A part of a character's bytes is no mark, whatever stands for it.
        return _UNREADABLE not in text and all(unicodedata.category(c)[0] in "PSZC" for c in text)

    def _row(self, token: str) -> int:
        row = self._tokenizer.token_to_id(token)
        if row is None:
            raise ValueError(f"no token {token}")
        return int(row)


def timed(
    spans: Sequence[Span],
    path: Sequence[tuple[int, int]],
    probabilities: Sequence[float],
    features: Features,
    seconds: float,
) -> list[Word]:
    """Words with times and confidences, of audio of some length.

    `path` pairs tokens with encoder frames, both in order (dynamic time warping over the attention to the audio);
    `probabilities` are those of the tokens. The path has no place for silence, so the quiet frames of `features` (F, T)
    at either end of a word are taken from it.
    """
    begins = _first_frames(path)
    loud = _loud(features)
    words, before = [], 0.0
    for span in spans:
        first, end = (begins[min(token, len(begins) - 1)] for token in (span.spoken, span.spoken_end))
        heard = np.flatnonzero(loud[first:end])
        if heard.size:
            first, end = first + int(heard[0]), first + int(heard[-1]) + 1
        start = min(max(before, first / ENCODER_RATE), seconds)
        before = min(max(start, end / ENCODER_RATE), seconds)
        confidence = float(np.mean(probabilities[span.spoken : span.spoken_end] or [0.0]))
        words.append(Word(span.text, start, before, confidence))
    return words


def _first_frames(path: Sequence[tuple[int, int]]) -> list[int]:
    """The first frame of each token; the last of the path's is the end."""
    begins: list[int] = []
    for token, frame in path:
        if token >= len(begins):
            begins += [frame] * (token + 1 - len(begins))
    return begins or [0]


def _loud(features: Features) -> npt.NDArray[np.bool_]:
    """Which encoder frames are not silence, of features of a whole number of them."""
    bands = features.max(axis=0)
    return np.asarray(bands.reshape(-1, 2).max(axis=1) > bands.max() - _QUIET)
