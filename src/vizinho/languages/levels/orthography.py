"""How alike two languages are written: letters, and how well one language's spelling predicts the other's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.errors import CorpusError
from vizinho.languages.levels.ngrams import ORDER, CharacterModel
from vizinho.languages.levels.running import running_text
from vizinho.languages.levels.sampling import centred_interval, js_divergence
from vizinho.languages.levels.scripts import CONSONANTS, Words, in_one_script, romanised_text, spellings, text_script
from vizinho.languages.levels.treebank import treebank_of
from vizinho.languages.levels.words import words_of_both
from vizinho.languages.measures import Gap, Kind, LevelResult, Measure, by_donor
from vizinho.languages.sources import Inputs
from vizinho.text.language import Language
from vizinho.text.spelling import bare

LEVEL = "spelling"
TOP = 5000
"""Most frequent words that the letters are counted in."""
LEAST_SENTENCES = 200
"""Texts with fewer sentences are too small to learn spelling from."""
MOST_SENTENCES = 2000
RARE = 1e-5
"""Letters with a smaller share of the running text are foreign words' and left out of the alphabets."""
RESAMPLES = 500
_LETTERS = Kind(LEVEL, "letter_divergence", "Divergence of letter frequencies in running words", "lower", True, "bits",
                "Jensen-Shannon divergence (Lin 1991)")  # fmt: skip
_ON_WORDS, _ON_TEXT = (
    Kind(LEVEL, name, f"Surprise at the target's {of} for one who knows the donor's spelling", "lower",
         unit="bits a character", source=f"character {ORDER}-grams, Witten and Bell 1991")
    for name, of in (("cross_entropy", "words"), ("text_cross_entropy", "running text"))
)  # fmt: skip
_ON_LETTERS = ("letter_divergence", "cross_entropy", "text_cross_entropy")


@dataclass(frozen=True, slots=True)
class _Written:
    """A language as it is written: frequent words and sentences; none of either where there are none."""

    language: Language
    words: Words
    sentences: tuple[str, ...]


def compare_spelling(target: Language, donors: Sequence[Language], inputs: Inputs) -> Iterator[LevelResult]:
    """Letter distributions and cross-entropy on word lists, and on running text where both have some.

    A language without words leaves the measures on words as gaps. What is written in two scripts is compared in Latin
    letters. A target without a treebank is compared by other running text, its own and its donors'.
    """
    from_treebanks = bool(_of_treebank(target, inputs))

    def sentences(language: Language) -> tuple[str, ...]:
        return _of_treebank(language, inputs) if from_treebanks else _of_text(language, inputs)

    def against(own: tuple[str, ...], donor: Language) -> LevelResult:
        words: tuple[Words, Words] = (), ()
        missing: CorpusError | None = None
        try:
            words = words_of_both(target, donor, inputs.texts, TOP)[:2]
        except CorpusError as error:
            missing = error
        sides = _Written(target, words[0], own), _Written(donor, words[1], sentences(donor))
        return _compare(*sides, missing, inputs.seed)

    return by_donor(LEVEL, donors, lambda: sentences(target), against)


def _compare(target: _Written, donor: _Written, missing: CorpusError | None, seed: int) -> LevelResult:
    """`missing`: why there are no words."""
    rng = np.random.default_rng([seed, 2])
    measures: list[Measure] = []
    gaps: list[Gap] = []
    evidence: dict[str, Any] = {}
    if missing is not None:
        gaps += [Gap.of(LEVEL, missing, name) for name in _ON_LETTERS[:2]]
    else:
        words, others, how = in_one_script(target.words, target.language, donor.words, donor.language)
        if how == CONSONANTS:
            # Bits for each consonant and bits for each letter are not of one kind.
            gaps += [Gap(LEVEL, name, "one of the scripts leaves vowels out") for name in _ON_LETTERS]
            return LevelResult(LEVEL, gaps=tuple(gaps))
        measures += [
            _letters(words, others, rng),
            _cross_entropy(_ON_WORDS, "words", spellings(words), spellings(others), rng),
        ]
        evidence = _evidence(words, others) | ({"letters_are": how} if how else {})
    if target.sentences and donor.sentences:
        sentences, others_sentences = _text_in_one_script(target, donor)
        measures.append(_cross_entropy(_ON_TEXT, "sentences", sentences, others_sentences, rng))
    else:
        lacking = ", ".join(side.language.code for side in (target, donor) if not side.sentences)
        reason = f"no treebank and no text of {LEAST_SENTENCES} sentences or more for {lacking}"
        fix = "put LANG_NAME.conllu into treebanks/ of the folder given with --texts, or text for both into sentences/"
        gaps.append(Gap(LEVEL, "text_cross_entropy", reason, fix))
    return LevelResult(LEVEL, tuple(measures), tuple(gaps), evidence)


def _text_in_one_script(target: _Written, donor: _Written) -> tuple[Sequence[str], Sequence[str]]:
    if text_script(target.sentences) == text_script(donor.sentences):
        return target.sentences, donor.sentences
    first, second = (romanised_text(side.sentences, side.language.base) for side in (target, donor))
    return first, second


def letter_shares(words: Words) -> dict[str, float]:
    """Share of each letter in running text, by the words' frequencies; the rarest letters left out."""
    counts: Counter[str] = Counter()
    for word, frequency in words:
        for letter in word:
            counts[letter] += frequency  # type: ignore[assignment]
    total = sum(counts.values())
    return {letter: n / total for letter, n in counts.items() if n / total >= RARE}


def _letters(words: Words, donor_words: Words, rng: np.random.Generator) -> Measure:
    own, other = _letter_matrices(words, donor_words)  # (V, letters), (V', letters)
    own_total, other_total = own.sum(axis=0), other.sum(axis=0)
    value = float(js_divergence(own_total, other_total))
    resampled = [
        js_divergence(own[_draw(len(own), rng)].sum(axis=0), other[_draw(len(other), rng)].sum(axis=0))
        for _ in range(RESAMPLES // 5)
    ]
    order = rng.permutation(len(own))
    ceiling = float(js_divergence(own[order[::2]].sum(axis=0), own[order[1::2]].sum(axis=0)))
    return _LETTERS.measure(
        value,
        # By chance each letter of the donor would be as frequent as some other one.
        floor=float(np.mean([js_divergence(own_total, rng.permutation(other_total)) for _ in range(50)])),
        ceiling=(ceiling, "halves of the target's words"),
        sample=(min(len(words), len(donor_words)), "words of each"),
        interval=centred_interval(value, resampled),
    )


def _letter_matrices(*lists: Words) -> list[npt.NDArray[np.float64]]:
    """Frequency-weighted letter counts (V, letters) of each word list, over the same letters."""
    column = {letter: i for i, letter in enumerate(sorted({c for words in lists for w, _ in words for c in w}))}
    matrices = []
    for words in lists:
        counts = np.zeros((len(words), len(column)))
        for row, (word, frequency) in enumerate(words):
            for letter in word:
                counts[row, column[letter]] += frequency
        matrices.append(counts)
    return matrices


def _draw(count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return rng.integers(count, size=count)


def _cross_entropy(
    kind: Kind, what: str, lines: Sequence[str], donor_lines: Sequence[str], rng: np.random.Generator
) -> Measure:
    """Bits a character of half the target's lines under a model of as many donor lines.

    The ceiling's model has learnt from the target's other half. Words are lines too: each weighs the same.
    """
    # The split depends on the number of lines alone, so that every donor meets the same half of the target.
    order = np.random.default_rng(len(lines)).permutation(len(lines))
    middle = len(lines) // 2
    judged, own = ([lines[int(i)] for i in part] for part in (order[:middle], order[middle:]))
    picks = np.random.default_rng(len(donor_lines)).permutation(len(donor_lines))[: len(own)]
    teaching = [donor_lines[int(i)] for i in picks]
    # Both models know all characters, else a letter of one language alone would cost endless bits.
    characters = "".join(sorted({c for line in (*lines, *donor_lines) for c in line}))
    donor_model = CharacterModel(teaching, characters)
    lengths = np.array([len(line) + 1 for line in judged], dtype=np.float64)  # the end of a line costs bits too
    bits = donor_model.bits(judged)  # (lines,)
    shuffled = ["".join(rng.permutation(list(line))) for line in judged]
    drawn = [_draw(len(judged), rng) for _ in range(RESAMPLES)]
    value = float(bits.sum() / lengths.sum())
    ceiling = float(CharacterModel(own, characters).bits(judged).sum() / lengths.sum())
    return kind.measure(
        value,
        floor=float(donor_model.bits(shuffled).sum() / lengths.sum()),
        ceiling=(ceiling, f"the target's other {what}"),
        sample=(len(judged), f"target {what}, against {len(teaching)} of the donor"),
        interval=centred_interval(value, [bits[i].sum() / lengths[i].sum() for i in drawn]),
    )


def _of_treebank(language: Language, inputs: Inputs) -> tuple[str, ...]:
    """Sentences of the language's treebank in lower case; none when there are too few or it cannot be read."""
    try:
        bank = treebank_of(language, inputs.texts)
    except CorpusError:
        return ()  # the level of syntax names what is wrong with it
    return _enough([s.text for s in bank.sentences]) if bank is not None else ()


def _of_text(language: Language, inputs: Inputs) -> tuple[str, ...]:
    """Sentences of a language's texts in lower case; none when there are too few or they cannot be read."""
    try:
        return _enough(running_text(language, inputs.texts))
    except CorpusError:
        return ()  # the level of vocabulary names the file


def _enough(sentences: Sequence[str]) -> tuple[str, ...]:
    if len(sentences) < LEAST_SENTENCES:
        return ()
    return tuple(" ".join(sentence.lower().split()) for sentence in sentences[:MOST_SENTENCES])


def _evidence(words: Words, donor_words: Words) -> dict[str, Any]:
    own, other = letter_shares(words), letter_shares(donor_words)
    letters = sorted({*own, *other}, key=lambda c: (bare(c), c))
    return {
        "letters": [
            {
                "letter": c,
                "target, per cent": round(100 * own[c], 3) if c in own else None,
                "donor, per cent": round(100 * other[c], 3) if c in other else None,
            }
            for c in letters
        ],
        "only_the_target": " ".join(c for c in letters if c not in other),
        "only_the_donor": " ".join(c for c in letters if c not in own),
        "shared_letters": sum(c in own and c in other for c in letters),
    }
