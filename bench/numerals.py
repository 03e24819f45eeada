"""Numbers in digits: round trips over num2words' own output, and what is written on sentences that people wrote.

    taskset -c 0 python bench/numerals.py pt es en fr de it --numbers 100000
    taskset -c 0 python bench/numerals.py pt es en fr de it gl --numbers 0

A place in the PUD treebank is doubtful where no word of it is marked as a number (`NUM`, or any `NumType`). Sentences
of the treebanks Bosque, GSD and EWT are here without their marks: all their places are printed, for people to read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

from vizinho.text.digits import in_digits
from vizinho.text.number_grammar import number_of
from vizinho.text.numerals import cardinal

SHARED = Path(os.environ.get("VIZINHO_SHARED", "../shared"))
MOST = {"gl": 10**6}
SENTENCES = {"pt": "pt_bosque", "es": "es_gsd", "en": "en_ewt"}
STRETCH = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*(?: +[^\W_]+(?:['’-][^\W_]+)*)*")
Token = tuple[str, bool]


def round_trips(language: str, count: int) -> dict[str, object]:
    draw, lost, wrong, start = random.Random(1), [], [], time.perf_counter()
    digits = len(str(MOST.get(language, 10**9))) - 1
    for _ in range(count):
        number = draw.randrange(10 ** draw.randint(1, digits))
        back = number_of(cardinal(str(number), language), language)
        if back != number:
            (lost if back is None else wrong).append(number)
    seconds = time.perf_counter() - start
    return {
        "numbers": count,
        "not_read": len(lost),
        "read_as_another": len(wrong),
        "examples": [*lost[:3], *wrong[:3]],
        "ms_a_number": round(1000 * seconds / max(1, count), 2),
    }


def stretches(path: Path) -> Iterator[list[Token]]:
    """Words between signs, and whether each is marked as a number."""
    part: list[Token] = []
    for line in path.read_text().splitlines():
        cells = line.split("\t")
        if cells[0].isdigit() and cells[3] != "PUNCT":
            part.append((cells[1], cells[3] == "NUM" or "NumType" in cells[5]))
        elif part and (not line or cells[0].isdigit()):
            yield part
            part = []


def treebank(language: str) -> dict[str, object] | None:
    path = SHARED / "text" / "treebanks" / f"{language}_pud.conllu"
    if not path.is_file():
        return None
    written, false = 0, []
    for part in stretches(path):
        words = [word for word, _ in part]
        for place in in_digits(words, language):
            written += 1
            if not any(is_number for _, is_number in part[place.start : place.end]):
                false.append(" ".join(words[max(0, place.start - 2) : place.end + 2]))
    sentences = path.read_text().count("# sent_id")
    return {"sentences": sentences, "written": written, "not_marked": len(false), "places": false}


def plain(language: str) -> dict[str, object] | None:
    path = SHARED / "text" / "sentences" / f"{SENTENCES.get(language, language)}.txt"
    if not path.is_file():
        return None
    lines, places = path.read_text().splitlines(), []
    for line in lines:
        for stretch in STRETCH.findall(line):
            words = stretch.split()
            for place in in_digits(words, language):
                before, after = words[max(0, place.start - 2) : place.start], words[place.end : place.end + 2]
                spoken = " ".join(words[place.start : place.end])
                places.append(" ".join([*before, f"[{spoken} = {place.text}]", *after]))
    return {"sentences": len(lines), "written": len(places), "places": places}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("languages", nargs="+")
    parser.add_argument("--numbers", type=int, default=100_000)
    arguments = parser.parse_args()
    for language in arguments.languages:
        result = {
            "language": language,
            "round_trips": round_trips(language, arguments.numbers),
            "treebank": treebank(language),
            "sentences": plain(language),
        }
        print(json.dumps(result, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
