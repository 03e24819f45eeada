"""Reads CHAT transcripts (.cha) of CHILDES and TalkBank: lines of speakers with times in milliseconds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from vizinho.corpora.documents import Document, Media, Span, Tier
from vizinho.corpora.encodings import read_text
from vizinho.errors import CorpusError, OnProblem

_TIMES = re.compile(r"[\x15•·](?:%snd:\"[^\"]*\"_)?(\d+)_(\d+)[\x15•·]?")
_EVENT = re.compile(r"&=(\S+)|\[=! ?([^\]]*)\]|&\*(\S+)")
"""Sounds, how something is said, and what somebody else says in between."""
_OVERLAP = re.compile(r"[⌈⌉⌊⌋]\d?|[‹›„‡]")
_SHORTENED = re.compile(r"(?<=\w)\((\w+)\)|\((\w+)\)(?=\w)")
_SIGNS = re.compile(r"(?<!\S)[+#]\S*|_")
_UNCLEAR = re.compile(r"(?<![^\W_])(?:yyy?|www|xx)(?![^\W_])")
"""xxx and yyy are not understood, www is not transcribed; older files write two letters."""


def parse_chat(path: Path, encoding: str, on_problem: OnProblem) -> Document:
    """The main lines of one file, as they sound: words said twice stay, omitted and corrected ones do not.

    A line without times is reported. pylangacq (extra `field`) knows CHAT's codes.
    """
    media: list[Media] = []
    names: dict[str, str] = {}
    spans: list[Span] = []
    unlinked: list[CorpusError] = []
    for number, line in _lines(read_text(path, encoding)):
        head, _, rest = line.partition(":")
        if head == "@Media":
            media.append(Media(rest.split(",")[0].strip().strip('"'), number))
        elif head == "@Participants":
            names |= {words[0]: words[1] for words in map(str.split, rest.split(",")) if len(words) > 2}
        elif head.startswith("*"):  # lines of % are notes on the line above
            times = _TIMES.findall(rest)
            if not times:
                what = f"no times: {rest.strip()[:60]!r}"
                unlinked.append(
                    CorpusError(what, where=f"{path}:{number}", fix="link the line to the recording in CLAN")
                )
                continue
            if any(rest.count(a) != rest.count(b) for a, b in ("()", "[]")):
                what = f"a bracket without its partner: {rest.strip()[:60]!r}"
                on_problem(CorpusError(what, where=f"{path}:{number}", fix="correct it; CLAN's CHECK finds such lines"))
                continue
            code = head[1:]
            start, end = float(times[0][0]) / 1000, float(times[-1][1]) / 1000
            spans.append(Span(start, end, _audible(_TIMES.sub(" ", rest)), number, names.get(code, code)))
    if unlinked and not spans:  # a transcript that was never linked is one problem, not one for each line
        what = f"none of its {len(unlinked)} lines has times"
        unlinked = [CorpusError(what, where=path, fix="link it to the recording in CLAN")]
    for problem in unlinked:
        on_problem(problem)
    if not spans and not names:
        raise CorpusError("no lines of speakers here", where=path, fix="is it a CHAT file?")
    return Document(path, (Tier("main", tuple(spans)),), tuple(media))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with the number of their first one; a line that begins with a tab continues the one before."""
    first, whole = 0, ""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith(("\t", " ")) and whole:
            whole += f" {line.strip()}"
            continue
        if whole:
            yield first, whole
        first, whole = number, line
    if whole:
        yield first, whole


def _audible(line: str) -> str:
    """What can be heard of a main line, in full spelling ("w(h)at" is what), with events in square brackets."""
    import pylangacq

    # Its own "audible" form drops shortened letters, events and who interrupts, so these are taken out before.
    events = ["".join(groups) for groups in _EVENT.findall(line)]
    plain = _SHORTENED.sub(r"\1\2", _OVERLAP.sub(" ", _EVENT.sub(" ", line)))
    chat = pylangacq.CHAT.from_strs([f"*XYZ:\t{plain}\n"], parallel=False, strict=False, mor_tier=None, gra_tier=None)
    utterances = chat.utterances()
    text = _SIGNS.sub(" ", (utterances[0].audible if utterances else "") or "")
    text = re.sub(r"\s+(?=[,.;!?])", "", text)  # CHAT writes punctuation as words
    return " ".join([*(f"[{event}]" for event in events), *_UNCLEAR.sub("xxx", text).split()])
