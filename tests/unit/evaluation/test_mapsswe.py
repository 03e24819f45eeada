"""MAPSSWE beside NIST's own program, on texts drawn at random."""

import random
import re
import shutil
import subprocess

import pytest

from vizinho.errors import CorpusError
from vizinho.evaluation.mapsswe import mapsswe, segment_errors
from vizinho.records import UtteranceErrors

WORDS = ("casa", "gato", "mesa", "pedra", "rio", "sol", "lua", "mar")
SCTK = shutil.which("sctk")


def noisy(rng, words, rate):
    heard = []
    for word in words:
        draw = rng.random()
        if draw < rate / 3:
            continue
        heard.append(rng.choice(WORDS) if draw < 2 * rate / 3 else word)
        if draw > 1 - rate / 3:
            heard.append(rng.choice(WORDS))
    return heard


def rows(references, hypotheses):
    return [
        UtteranceErrors(str(i), "", " ".join(r), " ".join(h), 0, 0, 0, 0)
        for i, (r, h) in enumerate(zip(references, hypotheses, strict=True))
    ]


def nist(folder, texts):
    """(segments, mean, deviation, z) as sc_stats prints them, to three places."""
    for name, utterances in texts.items():
        (folder / f"{name}.trn").write_text(
            "".join(f"{' '.join(words)} (s{i % 3}_{i:03d})\n" for i, words in enumerate(utterances))
        )
    alignments = "".join(
        subprocess.run(
            [
                SCTK,
                "sclite",
                "-r",
                "ref.trn",
                "trn",
                "-h",
                f"{s}.trn",
                "trn",
                s,
                "-i",
                "spu_id",
                "-o",
                "sgml",
                "stdout",
            ],
            capture_output=True,
            text=True,
            cwd=folder,
        ).stdout
        for s in "ab"
    )
    printed = subprocess.run(
        [SCTK, "sc_stats", "-p", "-t", "mapsswe", "-v", "-n", "-"],
        input=alignments,
        capture_output=True,
        text=True,
        errors="replace",
        cwd=folder,
    ).stdout
    found = re.search(r"# segs: (\d+)\).*mean: (\S+)\) \(std dev: (\S+)\) \(Z Stat: (\S+)\)", printed)
    return tuple(float(value) for value in found.groups())


@pytest.mark.skipif(SCTK is None, reason="sctk is not installed (Debian's package of this name)")
@pytest.mark.parametrize("seed", range(12))
def test_it_agrees_with_sc_stats(tmp_path, seed):
    rng = random.Random(seed)
    references = [[rng.choice(WORDS) for _ in range(rng.randint(1, 12))] for _ in range(rng.randint(5, 60))]
    texts = {
        "ref": references,
        "a": [noisy(rng, r, rng.choice([0.1, 0.3])) for r in references],
        "b": [noisy(rng, r, rng.choice([0.1, 0.5])) for r in references],
    }
    found = mapsswe(rows(references, texts["a"]), rows(references, texts["b"]))
    assert (found.segments, found.mean, found.deviation, found.z) == pytest.approx(nist(tmp_path, texts), abs=0.0011)


def test_two_words_that_both_got_right_end_a_segment():
    reference = list("abcdef")
    assert list(segment_errors(reference, list("xbcdef"), list("abcdex"))) == [(1, 0), (0, 1)]
    assert list(segment_errors(reference, list("xbydef"), reference)) == [(2, 0)]
    # A word inserted between two right ones parts them.
    assert list(segment_errors(reference, list("abxcdyef"), reference)) == [(1, 0), (1, 0)]
    assert list(segment_errors(reference, list("xbycdef"), reference)) == [(2, 0)]
    assert list(segment_errors(reference, reference, reference)) == []


def test_what_cannot_be_tested_has_no_p():
    same = rows([["a"]] * 3, [["a"]] * 3)
    assert (mapsswe(same, same).segments, mapsswe(same, same).p) == (0, None)
    always = rows([["a"]] * 3, [["b"]] * 3)
    assert mapsswe(always, same).p is None
    with pytest.raises(CorpusError, match="not scored on the same utterances"):
        mapsswe(same, same[1:])
