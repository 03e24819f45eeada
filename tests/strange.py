"""Makes files strange for the fuzz tests: bytes overwritten and cut, values replaced by what no writer would write."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faulting import rounds
from hypothesis import Phase, settings
from hypothesis import strategies as st

from vizinho.errors import VizinhoError

VALUES = st.sampled_from(
    [None, True, -1, 0, 2**70, 1e308, -math.inf, math.nan, "", "\x00", "x" * 3000, "../../up", [], {}, [[]], {"a": [1]}]
)
"""Values of a kind or size that a reader does not expect."""
CELLS = st.sampled_from(["", "-1", "0", "nan", "inf", "1e999", "9" * 40, "\t", "|", "../../up", "\x00", "é" * 2000])
CUTS = st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=12)), max_size=4)
KEEP = st.one_of(st.just(1.0), st.floats(0, 1))


def fuzzed(examples: int) -> settings:
    """So many examples, or as many as rounds were asked for. Failing ones are shown as found: they are small."""
    return settings(max_examples=rounds(examples), phases=(Phase.reuse, Phase.generate), report_multiple_bugs=False)


def damaged(data: bytes, cuts: list[tuple[int, bytes]], keep: float) -> bytes:
    """Bytes overwritten at some places and cut off."""
    found = bytearray(data)
    for place, new in cuts:
        start = place % max(1, len(found))
        found[start : start + len(new)] = new
    return bytes(found[: int(len(found) * keep)])


def swapped(value: Any, place: int, new: Any) -> Any:
    """A copy of a JSON value in which one of its parts, counted through all levels, is another."""
    made = copy.deepcopy(value)
    places: list[tuple[Any, Any]] = []

    def walk(part: Any) -> None:
        pairs = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, inner in pairs:
            places.append((part, key))
            walk(inner)

    walk(made)
    if not places:
        return new
    holder, key = places[place % len(places)]
    if new == "../../up":  # one of several: the part is left out instead
        del holder[key]
    else:
        holder[key] = new
    return made


def cell_swapped(text: str, place: int, new: str, separators: str) -> str:
    """A copy of a text table in which one cell is another."""
    cells = [[]]
    for character in text:
        if character in separators:
            cells += [[character], []]
        else:
            cells[-1].append(character)
    parts = ["".join(cell) for cell in cells]
    parts[place % len(parts)] = new
    return "".join(parts)


def clear_only(read: Callable[[Path], object], path: Path) -> None:
    """Reading a strange file succeeds or raises one of our errors, which says where; nothing else may come out."""
    try:
        read(path)
    except VizinhoError as error:
        assert error.where, f"{error!r} does not say where"
        assert "\n" not in str(error).strip(), str(error)
