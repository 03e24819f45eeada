"""The rows per token of a transducer: of its prediction network's embedding and of its joint network's output layer."""

from __future__ import annotations

from collections.abc import Sequence

from vizinho.model.transducer import EMBEDDING, OUTPUTS
from vizinho.plan.plan import TokenAxis
from vizinho.plan.tokens import TokenSource


def transducer_axes(
    sources: Sequence[TokenSource], donor_tokens: Sequence[str], durations: Sequence[int], *, grouped: bool = False
) -> list[TokenAxis]:
    """Tokens are matched once for both networks. TDT's rows of durations, after the tokens', stay as they are.

    `grouped` is as in TokenAxis.
    """
    names = [f"<{frames} frames>" for frames in durations]
    of_durations = [TokenSource(name, "row copy", ((name, 1.0),), "same duration") for name in names]
    # Two axes, since the outputs have more rows than the embedding.
    outputs = {name: name for name in OUTPUTS}
    return [
        TokenAxis(tuple(sources), tuple(donor_tokens), {EMBEDDING: EMBEDDING}, grouped),
        TokenAxis((*sources, *of_durations), (*donor_tokens, *names), outputs, grouped),
    ]
