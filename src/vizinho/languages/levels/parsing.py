"""Raw text to a treebank by an installed spaCy pipeline, for languages without a treebank of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vizinho.errors import VizinhoError
from vizinho.languages.levels.treebank import Node, Sentence, Treebank

RELATIONS = frozenset({
    "acl", "advcl", "advmod", "amod", "appos", "aux", "case", "cc", "ccomp", "clf", "compound", "conj", "cop",
    "csubj", "dep", "det", "discourse", "dislocated", "expl", "fixed", "flat", "goeswith", "iobj", "list", "mark",
    "nmod", "nsubj", "nummod", "obj", "obl", "orphan", "parataxis", "punct", "reparandum", "root", "vocative",
    "xcomp",
})  # fmt: skip
"""The relations of Universal Dependencies 2. spaCy's English and German pipelines have others, and other trees."""


def parse(texts: Sequence[str], language: str, *, pipeline: Any = None) -> Treebank:
    """Parse texts of a language; sentences get the ids "1-1", "1-2" (text and sentence).

    `pipeline` is a spaCy pipeline; without one, an installed package whose name begins with the language's code is
    loaded. Raises VizinhoError naming what to install when there is none, when it has no parser or labels that are not
    those of Universal Dependencies, and for texts without words.
    """
    nlp = _installed(language) if pipeline is None else pipeline
    name = nlp.meta.get("name", "pipeline")
    sentences = [
        Sentence(f"{i}-{j}", span.text, nodes)
        for i, document in enumerate(nlp.pipe(texts), 1)
        for j, span in enumerate(_spans(document, name), 1)
        if (nodes := _nodes(span, name))
    ]
    if not sentences:
        raise VizinhoError("there are no words in the texts", where=f"parsing {language}", fix="give some sentences")
    return Treebank(f"{language} parsed by {name}", tuple(sentences), ())


def is_parsed(language: str) -> bool:
    """Whether a pipeline of the language is installed."""
    return bool(_names(language))


def _names(language: str) -> list[str]:
    import spacy.util

    return sorted(name for name in spacy.util.get_installed_models() if name.startswith(f"{language}_"))


def _installed(language: str) -> Any:
    import spacy

    names = _names(language)
    if not names:
        fix = f"install one of spaCy's, such as {language}_core_news_sm, or parse with another tool, such as UDPipe,"
        fix += f" and give its CoNLL-U as treebanks/{language}.conllu"
        raise VizinhoError(f"no pipeline that parses {language!r} is installed", where="parsing", fix=fix)
    return spacy.load(names[0])


def _spans(document: Any, name: str) -> list[Any]:
    if not document.has_annotation("DEP"):
        raise VizinhoError("the pipeline has no parser", where=name, fix="install one with a parser")
    return list(document.sents)


def _nodes(span: Any, name: str) -> tuple[Node, ...]:
    """Words of a sentence without its spaces; heads count from 1 in what is left."""
    words = [token for token in span if not token.is_space]
    place = {token.i: position for position, token in enumerate(words, 1)}
    nodes = []
    for token in words:
        relation = token.dep_.lower().split(":")[0]
        if relation not in RELATIONS:
            fix = "use a pipeline trained on them, or a treebank in CoNLL-U"
            raise VizinhoError(f"label {token.dep_!r} is not one of Universal Dependencies", where=name, fix=fix)
        # spaCy's root is its own head; a head outside the sentence (none, in a parsed span) counts as the root.
        head = 0 if token.head.i == token.i else place.get(token.head.i, 0)
        nodes.append(Node(token.text, token.pos_ or "X", head, relation))
    return tuple(nodes)
