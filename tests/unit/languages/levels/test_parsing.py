"""Raw text through a spaCy pipeline: a rule-based one made here, and what is said when there is none."""

from __future__ import annotations

from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from vizinho.errors import VizinhoError
from vizinho.languages.levels.parsing import parse


@Language.component("chain_parser")
def _chain(document: Any) -> Any:
    """Every word hangs on the one before it; a full stop ends a sentence."""
    heads, labels, tags, first = [], [], [], 0
    for token in document:
        heads.append(max(first, token.i - 1))
        labels.append("ROOT" if token.i == first else "nmod:x")
        tags.append("PUNCT" if token.is_punct else "NOUN")
        if token.is_punct:
            first = token.i + 1
    words, spaces = [t.text for t in document], [bool(t.whitespace_) for t in document]
    return Doc(document.vocab, words=words, spaces=spaces, heads=heads, deps=labels, pos=tags)


@Language.component("other_labels")
def _other(document: Any) -> Any:
    for token in document:
        token.dep_ = "ROOT" if token.i == 0 else "prep"
        token.head = document[0]
    return document


def _pipeline(*parts: str) -> Any:
    nlp = spacy.blank("pt")
    for part in parts:
        nlp.add_pipe(part)
    return nlp


def test_sentences_words_and_heads() -> None:
    bank = parse(["um cão. dois  cães", "três"], "pt", pipeline=_pipeline("chain_parser"))
    assert [s.id for s in bank.sentences] == ["1-1", "1-2", "2-1"]
    assert [n.form for n in bank.sentences[1].nodes] == ["dois", "cães"]
    assert [(n.head, n.relation) for n in bank.sentences[0].nodes] == [(0, "root"), (1, "nmod"), (2, "nmod")]
    assert bank.sentences[0].nodes[2].upos == "PUNCT"


def test_without_a_pipeline_it_says_what_to_install() -> None:
    with pytest.raises(VizinhoError, match=r"'xx'.*install one of spaCy's, such as xx_core_news_sm.*UDPipe"):
        parse(["a"], "xx")


def test_without_a_parser_or_with_other_labels_or_without_words_it_refuses() -> None:
    with pytest.raises(VizinhoError, match="no parser"):
        parse(["um cão"], "pt", pipeline=_pipeline())
    with pytest.raises(VizinhoError, match="'prep' is not one of Universal Dependencies"):
        parse(["um cão"], "pt", pipeline=_pipeline("other_labels"))
    with pytest.raises(VizinhoError, match="no words"):
        parse([], "pt", pipeline=_pipeline("chain_parser"))
