"""Finds utterances of a rough text in a long recording: where each lies, and how likely it is right.

The search (`decoding.alignment`) goes through the recording window by window, so that time and memory grow with its
length and not with its square. A window ends at a place that is sure; without one it is doubled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.decoding.alignment import Costs, Observed, Span, Tokens, align, forced_deficit
from vizinho.decoding.margins import Margin, Timeline, margins
from vizinho.errors import CorpusError
from vizinho.progress import Advance, silent
from vizinho.recognition.align_confidence import Evidence, confidence, seems_sure
from vizinho.recognition.recognizer import PieceOutput, Recognizer

Seconds = npt.NDArray[np.float64]
_WINDOW_SECONDS = 240.0
_REACH = 2.0
"""Text that a window looks at, relative to what its speech can hold at the text's own pace."""
_NEAR_SECONDS = 0.5
"""Two places that are no farther apart are one."""
_BLOCK, _AROUND = 40, 6
"""Utterances whose rivals are looked for in one go, and neighbours on each side that may give way to them."""
_SETTLED = 0.75
"""Share of a window in which the place lies that it ends at: paths near its end lack what comes after it."""
_SNAP_SECONDS = 0.4
"""Speech between an utterance's first token and a pause that is counted to the utterance."""
_PAD_SECONDS = 0.08
"""Added to an utterance that neither begins nor ends at a pause: CTC writes a letter within its sound."""
_NULL_SAMPLES = 60
_FASTEST = 25.0
"""Tokens a second that nobody speaks faster than."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which of the network's tokens count: their rows, and what the columns of `Observed` are then."""

    rows: npt.NDArray[np.int64]
    """Rows of all tokens that the network knows; a row that starts at random is left out."""
    blank: int
    """Column of CTC's blank."""
    breaks: frozenset[int]
    """Columns of the space between words."""


@dataclass(frozen=True, slots=True)
class Frames:
    """A whole recording as the search sees it; a pause between two pieces of speech is one frame."""

    observed: Observed
    starts: Seconds
    ends: Seconds

    @property
    def speech_seconds(self) -> float:
        """Seconds that are no pause."""
        return float((self.ends - self.starts)[~self.observed.is_pause].sum())


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an utterance lies in its recording, and how sure that is."""

    start_seconds: float
    end_seconds: float
    confidence: float
    """Probability that both ends are right to half a second."""
    evidence: Evidence


def observe(recognizer: Recognizer, blocks: Iterable[Waveform], columns: Columns, progress: Advance = silent) -> Frames:
    """Frames of a recording, block by block; `progress` counts its seconds. Raises AudioError as reading does."""
    seconds = 0.0

    def counted() -> Iterator[Waveform]:
        nonlocal seconds
        for block in blocks:
            yield block
            seconds += block.size / SAMPLE_RATE
            progress(block.size / SAMPLE_RATE, "")

    # Pieces are where somebody speaks; what lies between them becomes one frame, which costs no time to search.
    step, last = recognizer.ctc.frame_seconds, 0.0
    parts: list[tuple[npt.NDArray[np.float32], Seconds, bool]] = []
    silence = np.zeros((1, columns.rows.size), np.float32)
    for piece in recognizer.pieces(counted()):
        deficits, starts = _new_rows(piece, columns, step, last)
        if not starts.size:
            continue
        if starts[0] - last > step / 2:
            parts.append((silence, np.array([last]), True))
        parts.append((deficits, starts, False))
        last = float(starts[-1]) + step
    if not parts:
        return Frames(Observed(silence[:0], np.zeros(0, np.bool_), columns.blank), np.zeros(0), np.zeros(0))
    if seconds - last > step / 2:
        parts.append((silence, np.array([last]), True))
    is_pause = np.concatenate([np.full(starts.size, pause) for _, starts, pause in parts])
    starts = np.concatenate([starts for _, starts, _ in parts])
    ends = np.append(starts[1:], max(seconds, last))
    observed = Observed(np.concatenate([deficits for deficits, _, _ in parts]), is_pause, columns.blank)
    return Frames(observed, starts, ends)


def _new_rows(
    piece: PieceOutput, columns: Columns, step: float, after: float
) -> tuple[npt.NDArray[np.float32], Seconds]:
    """Deficits and times of a piece's frames, without those that the piece before or after it has too."""
    assert not isinstance(piece.output, list)
    log_probs = piece.output[:, columns.rows]
    starts: Seconds = piece.start_seconds + step * np.arange(len(log_probs), dtype=np.float64)
    middles = starts + step / 2
    new = (middles >= after) & (middles < piece.until_seconds)
    # A difference of log-probabilities does not depend on the rows left out of the softmax's sum.
    return (log_probs - log_probs.max(axis=1, keepdims=True))[new], starts[new]


def place(
    frames: Frames, utterances: Sequence[Tokens], breaks: Collection[int], progress: Advance = silent, seed: int = 1
) -> list[Placement | None]:
    """A placement for each utterance, in order and without overlap; None for those that are not in the recording.

    `progress` counts frames. Raises CorpusError for a recording too short for this text.
    """
    if not utterances:
        return []
    return _Search(frames, utterances, breaks, seed).run(progress)


class _Search:
    """Finds spans window by window; frames are counted from the start of the recording."""

    def __init__(self, frames: Frames, utterances: Sequence[Tokens], breaks: Collection[int], seed: int) -> None:
        self._frames, self._utterances, self._breaks = frames, utterances, breaks
        self._sizes = np.cumsum([0, *(tokens.size for tokens in utterances)])
        self._null = null_deficit(frames, utterances, seed)
        self._edges = _Edges(frames)

    def run(self, progress: Advance) -> list[Placement | None]:
        spans: list[Span | None] = []
        total, frame, seconds = len(self._frames.starts), 0, _WINDOW_SECONDS
        while len(spans) < len(self._utterances) and frame < total:
            end = int(np.searchsorted(self._frames.starts, self._frames.starts[frame] + seconds))
            window = self._window(frame, end, len(spans), seconds / _WINDOW_SECONDS)
            settled = len(window) if end >= total else self._settled(window, len(spans), frame, end)
            if not settled:  # the text may have left the recording for a while: look farther in both
                seconds *= 2
                continue
            last = window[settled - 1]
            following = total if end >= total or last is None else last.end
            spans += window[:settled]
            progress(following - frame, "")
            frame, seconds = following, _WINDOW_SECONDS
        spans += [None] * (len(self._utterances) - len(spans))
        return self._placements(spans)

    def _window(self, start: int, end: int, first: int, growth: float) -> list[Span | None]:
        """Spans in the frames from start to end of the utterances from `first` on, as many as may be in them."""
        frames, until = self._frames, len(self._utterances)
        if end < len(frames.starts):
            speech = float((frames.ends - frames.starts)[start:end][~frames.observed.is_pause[start:end]].sum())
            pace = min(_FASTEST, float(self._sizes[-1]) / max(frames.speech_seconds, 1.0))
            tokens = self._sizes[first] + _REACH * growth * max(pace, _FASTEST / 2) * speech
            until = max(first + 1, int(np.searchsorted(self._sizes, tokens)))
        observed, texts = frames.observed.part(start, end), self._utterances[first:until]
        spans = align(observed, texts, self._costs(start), self._breaks)
        return [None if s is None else Span(s.start + start, s.end + start, s.deficit) for s in spans]

    def _settled(self, window: Sequence[Span | None], first: int, start: int, end: int) -> int:
        """How many utterances of a window stay as they are: up to the first of the last pair that is sure."""
        latest = start + _SETTLED * (end - start)
        sure = [
            span is not None and span.end <= latest and self._seems_sure(span, first + number)
            for number, span in enumerate(window)
        ]
        return max((number + 1 for number, pair in enumerate(pairwise(sure)) if all(pair)), default=0)

    def _score(self, span: Span, number: int) -> float:
        return 1 + span.deficit / self._utterances[number].size / self._null

    def _seems_sure(self, span: Span, number: int) -> bool:
        return seems_sure(self._score(span, number), self._edges.of(span)[2], self._utterances[number].size)

    def _evidence(self, span: Span, margin: Margin, number: int, beside_seconds: float) -> Evidence:
        return Evidence(
            self._score(span, number),
            self._edges.of(span)[2],
            self._utterances[number].size,
            margin.elsewhere / self._null,
            margin.left_out / self._null,
            self._edges.pause_seconds(span),
            beside_seconds,
        )

    def _margins(self, spans: Sequence[Span | None]) -> dict[int, Margin]:
        """Margins of all placed utterances by number, block by block: neighbours far away are no rivals."""
        numbers, result = [number for number, span in enumerate(spans) if span is not None], dict[int, Margin]()
        for block in range(0, len(numbers), _BLOCK):
            first, last = max(0, block - _AROUND), block + _BLOCK + _AROUND
            before, after = (
                spans[numbers[first - 1]] if first else None,
                spans[numbers[last]] if last < len(numbers) else None,
            )
            start, end = before.end if before else 0, after.start if after else len(self._frames.starts)
            texts = slice(numbers[first] if first else 0, numbers[last - 1] + 1 if after else len(spans))
            of_texts = self._margins_between(start, end, texts, spans[texts])
            for number in numbers[block : block + _BLOCK]:
                margin = of_texts[number - texts.start]
                assert margin is not None
                result[number] = margin
        return result

    def _margins_between(self, start: int, end: int, texts: slice, spans: Sequence[Span | None]) -> list[Margin | None]:
        frames = self._frames
        part = frames.observed.part(start, end)
        shifted = [None if s is None else Span(s.start - start, s.end - start, s.deficit) for s in spans]
        timeline = Timeline(frames.starts[start:end], frames.ends[start:end], _NEAR_SECONDS)
        return margins(part, self._utterances[texts], shifted, self._costs(start), self._breaks, timeline)

    def _costs(self, start: int) -> Costs:
        # Only before the recording's first utterance may much of the text be left out for little.
        return Costs(self._null) if start == 0 else Costs(self._null, leave_out_first=np.inf)

    def _placements(self, spans: Sequence[Span | None]) -> list[Placement | None]:
        margin_of, placements = self._margins(spans), list[Placement | None]([None] * len(spans))
        numbers = list(margin_of)
        placed = [span for span in spans if span is not None]
        between = self._edges.between(placed)
        for number, span, sides in zip(numbers, placed, pairwise(between), strict=True):
            start, end, _ = self._edges.of(span)
            evidence = self._evidence(span, margin_of[number], number, max(sides))
            placements[number] = Placement(start, end, confidence(evidence), evidence)
        for first, second in pairwise(numbers):
            earlier, later = placements[first], placements[second]
            assert earlier and later
            # The tokens do not overlap, but what is added to them may.
            if later.start_seconds < earlier.end_seconds:
                cut = self._between(spans[first], spans[second])
                placements[first] = replace(earlier, end_seconds=cut)
                placements[second] = replace(later, start_seconds=cut)
        return placements

    def _between(self, earlier: Span | None, later: Span | None) -> float:
        assert earlier and later
        return float(self._frames.ends[earlier.end - 1] + self._frames.starts[later.start]) / 2


class _Edges:
    """Moves the ends of utterances to pauses nearby: CTC's tokens come late, and begin before or after a pause."""

    def __init__(self, frames: Frames) -> None:
        self._frames, speaking = frames, ~frames.observed.is_pause
        padded = np.concatenate([[False], speaking, [False]])
        self._onsets = np.flatnonzero(padded[1:-1] & ~padded[:-2])
        self._offsets = np.flatnonzero(padded[1:-1] & ~padded[2:]) + 1
        # Distances are counted in speech: a token on the other side of a pause is near to it, however long it is.
        self._speech = np.concatenate([[0.0], np.cumsum(np.where(speaking, frames.ends - frames.starts, 0.0))])

    def of(self, span: Span) -> tuple[float, float, int]:
        """Seconds of both ends, and how many of them are at a pause."""
        frames = self._frames
        onset, offset = self._near(self._onsets, span.start), self._near(self._offsets, span.end)
        start = frames.starts[span.start] - _PAD_SECONDS if onset is None else frames.starts[onset]
        end = frames.ends[span.end - 1] + _PAD_SECONDS if offset is None else frames.ends[offset - 1]
        if start >= end:  # both at one pause
            return float(frames.starts[span.start]), float(frames.ends[span.end - 1]), 0
        return (
            max(0.0, float(start)),
            min(float(end), float(frames.ends[-1])),
            (onset is not None) + (offset is not None),
        )

    def pause_seconds(self, span: Span) -> float:
        """Seconds of pauses within a span."""
        frames = self._frames
        return float(frames.ends[span.end - 1] - frames.starts[span.start] - self._spoken(span.start, span.end))

    def between(self, spans: Sequence[Span]) -> list[float]:
        """Seconds of speech before the first span, between each two, and after the last."""
        ends = [0, *(span.end for span in spans)]
        starts = [*(span.start for span in spans), len(self._frames.starts)]
        return [self._spoken(end, start) for end, start in zip(ends, starts, strict=True)]

    def _spoken(self, start: int, end: int) -> float:
        return float(self._speech[end] - self._speech[start])

    def _near(self, places: npt.NDArray[np.int64], frame: int) -> int | None:
        after = int(np.searchsorted(places, frame))
        near = [int(places[i]) for i in (after - 1, after) if 0 <= i < places.size]
        best = min(near, key=lambda p: abs(self._speech[p] - self._speech[frame]), default=None)
        if best is None or abs(self._speech[best] - self._speech[frame]) > _SNAP_SECONDS:
            return None
        return best


def null_deficit(frames: Frames, utterances: Sequence[Tokens], seed: int = 1) -> float:
    """Mean deficit a token, in nats above 0, of pieces of the text laid over speech where they do not belong.

    What a network gives to a wrong text says what a right one is worth: it differs from network to network more than
    from voice to voice. Raises CorpusError for a recording without enough speech for the text.
    """
    rng, text = np.random.default_rng(seed), np.concatenate(utterances)
    total, spoken = len(frames.starts), int((~frames.observed.is_pause).sum())
    if text.size > spoken:
        what = f"{text.size} letters do not fit into {frames.speech_seconds:.1f} s of speech"
        raise CorpusError(what, where="text", fix="give the text of this recording, or the part of it that is spoken")
    # At the text's own pace, but no faster than CTC can write.
    share, step = min(text.size / spoken, 0.5), frames.speech_seconds / spoken
    deficits = []
    for _ in range(_NULL_SAMPLES):
        start = int(rng.integers(total))
        part = frames.observed.part(start, min(total, start + round(float(rng.uniform(2.5, 10.0)) / step)))
        size = max(3, round(share * float((~part.is_pause).sum())))
        begin = int(rng.integers(max(1, text.size - size)))
        tokens = text[begin : begin + size]
        deficit = forced_deficit(part, tokens)
        if deficit is not None:
            deficits.append(-deficit / tokens.size)
    return max(float(np.mean(deficits)), 0.1) if deficits else 5.0
