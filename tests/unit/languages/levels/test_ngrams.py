import itertools

import numpy as np
import pytest

from vizinho.languages.levels.ngrams import ORDER, CharacterModel


def slow_bits(lines, alphabet, line):
    """The definition, character by character."""
    texts = ["\n" * (ORDER - 1) + text + "\n" for text in lines]
    counts = {}
    for text in texts:
        for i in range(ORDER - 1, len(text)):
            for n in range(ORDER):
                history = text[i - n : i]
                counts.setdefault(history, {}).setdefault(text[i], 0)
                counts[history][text[i]] += 1
    total = 0.0
    text = "\n" * (ORDER - 1) + line + "\n"
    for i in range(ORDER - 1, len(text)):
        probability = 1 / len({*alphabet, "\n"})
        for n in range(ORDER):
            seen = counts.get(text[i - n : i])
            if seen:
                kinds = len(seen)
                probability = (seen.get(text[i], 0) + kinds * probability) / (sum(seen.values()) + kinds)
        total -= np.log2(probability)
    return total


def test_bits_are_those_of_the_definition():
    lines, alphabet = ["casa", "asa", "saca", "cabaca"], "abcsx"
    judged = ["casa", "xb", "a", "", "bacas"]
    model = CharacterModel(lines, alphabet)
    assert model.bits(judged) == pytest.approx([slow_bits(lines, alphabet, line) for line in judged])


def test_a_line_costs_the_same_in_any_company():
    model = CharacterModel(["casa", "asa"], "abcs")
    for order in itertools.permutations(["casa", "b", "cas"]):
        assert model.bits(order) == pytest.approx([float(model.bits([line])[0]) for line in order])


def test_probabilities_of_all_lines_sum_to_one_at_most():
    model = CharacterModel(["ab", "ba", "aab"], "ab")
    lines = ["".join(t) for n in range(12) for t in itertools.product("ab", repeat=n)]
    total = float((2 ** -model.bits(lines)).sum())
    assert 0.95 < total <= 1.0 + 1e-9
