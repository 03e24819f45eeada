"""A plan in ten lines names every token once, and every reason."""

import numpy as np

from vizinho.plan.plan import TokenAxis, plan_axes
from vizinho.plan.summary import summarise
from vizinho.plan.tokens import RowOptions, SimilarityTable, match_tokens
from vizinho.text.tokens import TokenInventory


def test_every_kind_of_row_has_its_line():
    donor = TokenInventory(("a", "n", "s", "ñ", "<pad>"), (*["letter"] * 4, "blank"))
    target = TokenInventory(("a", "ç", "s", "ü", "<pad>"), (*["letter"] * 4, "blank"))
    values = np.array([[0.0, 0.0, 0.9, 0.1], [0.0, 0.0, 0.0, 0.0]])
    table = SimilarityTable(("ç", "ü"), ("a", "n", "s", "ñ"), values, "by sound")
    sources = match_tokens(target, donor, RowOptions(), table)
    shapes = {"encoder.weight": (2, 3), "head.weight": (5, 3)}
    axis = TokenAxis(tuple(sources), donor.tokens, {"head.weight": "head.weight"})
    plan = plan_axes(shapes, shapes, [axis], unused={"old.bias": ((3,), "not needed")})
    lines = summarise(plan)
    assert lines[0] == "copied as they are: 1 parameters, 6 weights"
    assert any(line.startswith("copied by name: 3 tokens (a s") for line in lines)
    assert any(line.startswith("started from neighbours: 1 tokens (ç from s") for line in lines)
    assert any(line.startswith("dropped: 2 tokens (n ñ)") for line in lines)
    assert any(line.startswith("dropped: 1 parameters, because not needed") for line in lines)
    assert len(lines) <= 10
