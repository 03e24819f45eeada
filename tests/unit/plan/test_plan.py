import copy
from itertools import zip_longest

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.errors import PlanError
from vizinho.model.networks import weights
from vizinho.model.presets import build_model
from vizinho.plan.apply import apply_plan, plant, shapes_of, token_parameters
from vizinho.plan.plan import TokenAxis, plan_axes
from vizinho.plan.summary import summarise
from vizinho.plan.tokens import RowOptions, TokenSource, match_tokens
from vizinho.text.tokens import TokenInventory, character_tokenizer, inventory_of

SPANISH, PORTUGUESE = "abceinosuñé", "abceinosuãçéõ"


def micro(letters: str, seed: int = 1):
    tokenizer = character_tokenizer(letters)
    return build_model("micro", len(tokenizer), tokenizer.pad_token_id, seed=seed).eval(), inventory_of(tokenizer)


def build_plan(target, donor, tokens, donor_tokens, parameters, donor_parameters=None, **more):
    """The plan of a model with one kind of tokens."""
    names = dict(zip_longest(parameters, parameters if donor_parameters is None else donor_parameters))
    return plan_axes(target, donor, [TokenAxis(tuple(tokens), tuple(donor_tokens), names)], **more)


def transfer(donor, donor_tokens, target, target_tokens, options=RowOptions()):
    ours, theirs = weights(target), weights(donor)
    plan = build_plan(
        shapes_of(ours),
        shapes_of(theirs),
        match_tokens(target_tokens, donor_tokens, options),
        donor_tokens.tokens,
        token_parameters(ours),
        token_parameters(theirs),
    )
    made = apply_plan(plan, theirs, ours)
    return plan, made


def test_same_language_and_tokens_gives_bit_equal_log_probabilities():
    donor, tokens = micro(SPANISH)
    target, _ = micro(SPANISH, seed=2)
    features, mask = torch.randn(2, 97, 80), torch.ones(2, 97, dtype=torch.bool)
    _, made = transfer(donor, tokens, target, tokens)
    plant(target, made)
    with torch.inference_mode():
        ours = target(features, attention_mask=mask).logits.log_softmax(-1)
        theirs = donor(features, attention_mask=mask).logits.log_softmax(-1)
    assert torch.equal(ours, theirs)


def test_every_target_parameter_and_row_appears_once_and_every_donor_one_is_used_or_dropped():
    (donor, donor_tokens), (target, target_tokens) = micro(SPANISH), micro(PORTUGUESE, seed=2)
    plan, _ = transfer(donor, donor_tokens, target, target_tokens)
    planned = [(r.target, r.token) for r in plan.rows if r.target is not None]
    assert len(planned) == len(set(planned))
    heads = token_parameters(weights(target))
    expected = {(n, None) for n in weights(target) if n not in heads} | {
        (n, t) for n in heads for t in target_tokens.tokens
    }
    assert set(planned) == expected
    used = {r.source for r in plan.rows if r.action == "copy"} | set(heads)
    assert used == set(weights(donor))
    dropped = {r.token for r in plan.rows if r.action == "drop"}
    mixed = {t for r in plan.rows for t, _ in r.mix}
    assert dropped | mixed == set(donor_tokens.tokens)
    assert not dropped & mixed


def test_rows_follow_names_when_the_order_differs():
    (donor, donor_tokens), (target, target_tokens) = micro("abc"), micro("cab", seed=2)
    _, made = transfer(donor, donor_tokens, target, target_tokens)
    for letter in "abc":
        ours, theirs = (
            made["ctc_head.weight"][target_tokens.index(letter)],
            weights(donor)["ctc_head.weight"][donor_tokens.index(letter)],
        )
        assert torch.equal(ours, theirs)
    assert not torch.equal(made["ctc_head.weight"], weights(donor)["ctc_head.weight"])


@given(st.permutations(list("abcdefg")), st.sets(st.sampled_from("hijklmn")))
@settings(max_examples=20)
def test_any_order_and_any_new_letters_keep_shared_rows(order, new):
    donor = {"ctc_head.weight": torch.arange(20.0).reshape(10, 2), "encoder.layers.0.w": torch.ones(3)}
    donor_tokens = inventory_of(character_tokenizer("abcdefg"))
    target_tokens = inventory_of(character_tokenizer([*order, *sorted(new)]))
    fresh = {"ctc_head.weight": torch.zeros(len(target_tokens.tokens), 2), "encoder.layers.0.w": torch.zeros(3)}
    plan = build_plan(
        shapes_of(fresh),
        shapes_of(donor),
        match_tokens(target_tokens, donor_tokens, RowOptions()),
        donor_tokens.tokens,
        ["ctc_head.weight"],
    )
    made = apply_plan(plan, donor, fresh)
    for letter in "abcdefg":
        row = made["ctc_head.weight"][target_tokens.index(letter)]
        assert torch.equal(row, donor["ctc_head.weight"][donor_tokens.index(letter)])


def test_a_missing_donor_parameter_is_named():
    (donor, tokens), (target, _) = micro("abc"), micro("abc")
    theirs = {n: t for n, t in weights(donor).items() if n != "encoder.layers.1.norm_out.weight"}
    with pytest.raises(PlanError, match=r"encoder\.layers\.1\.norm_out\.weight"):
        build_plan(
            shapes_of(weights(target)),
            shapes_of(theirs),
            match_tokens(tokens, tokens, RowOptions()),
            tokens.tokens,
            token_parameters(weights(target)),
        )


def test_another_shape_and_left_over_parameters_are_named():
    (donor, tokens), (target, _) = micro("abc"), micro("abc")
    ours, theirs = shapes_of(weights(target)), shapes_of(weights(donor))
    sources = match_tokens(tokens, tokens, RowOptions())
    heads = token_parameters(weights(target))
    wider = dict(theirs) | {"encoder.subsampling.linear.bias": (7,)}
    with pytest.raises(PlanError, match=r"subsampling\.linear\.bias: the donor's shape is \(7,\)"):
        build_plan(ours, wider, sources, tokens.tokens, heads)
    with pytest.raises(PlanError, match="extra"):
        build_plan(ours, dict(theirs) | {"extra": (1,)}, sources, tokens.tokens, heads)


def test_applying_checks_before_writing():
    (donor, tokens), (target, _) = micro("abc"), micro("abc", seed=2)
    ours = weights(target)
    plan, _ = transfer(donor, tokens, target, tokens)
    before = copy.deepcopy(dict(ours))
    broken = {n: (t[:1] if n.endswith("norm_out.bias") else t) for n, t in weights(donor).items()}
    with pytest.raises(PlanError, match=r"norm_out\.bias"):
        apply_plan(plan, broken, ours)
    assert all(torch.equal(before[n], t) for n, t in weights(target).items())


def test_layers_and_rows_can_start_fresh_and_the_plan_says_so():
    (donor, donor_tokens), (target, target_tokens) = micro(SPANISH), micro(PORTUGUESE, seed=2)
    ours, theirs = weights(target), weights(donor)
    renewed = {n: "asked for" for n in ours if ".layers.1." in n}
    plan = build_plan(
        shapes_of(ours),
        shapes_of(theirs),
        match_tokens(target_tokens, donor_tokens, RowOptions(known_rows="fresh")),
        donor_tokens.tokens,
        token_parameters(ours),
        token_parameters(theirs),
        renewed=renewed,
    )
    made = apply_plan(plan, theirs, ours)
    assert {r.action for r in plan.rows if r.token in target_tokens.tokens and r.target} == {"fresh"}
    assert {r.source for r in plan.rows if r.action == "drop" and r.token is None} == set(renewed)
    assert all(torch.equal(made[n], ours[n]) for n in renewed)
    assert torch.equal(made["encoder.layers.0.norm_out.weight"], theirs["encoder.layers.0.norm_out.weight"])


def test_a_donor_without_an_output_layer_leaves_every_row_fresh():
    (donor, _), (target, tokens) = micro(SPANISH), micro(PORTUGUESE, seed=2)
    ours, heads = weights(target), token_parameters(weights(target))
    theirs = {name: tensor for name, tensor in weights(donor).items() if name not in heads}
    sources = match_tokens(tokens, TokenInventory((), ()), RowOptions())
    plan = build_plan(shapes_of(ours), shapes_of(theirs), sources, (), heads, ())
    assert {row.action for row in plan.rows if row.token is not None} == {"fresh"}
    made = apply_plan(plan, theirs, ours)
    assert all(torch.equal(made[name], ours[name] if name in heads else theirs[name]) for name in made)


def test_what_the_donor_may_lack_is_fresh_and_what_it_has_too_much_is_dropped():
    (donor, tokens), (target, _) = micro(SPANISH), micro(SPANISH, seed=2)
    ours, theirs = weights(target), dict(weights(donor))
    name = "encoder.subsampling.linear.bias"
    del theirs[name]
    heads, sources = token_parameters(ours), match_tokens(tokens, tokens, RowOptions())
    arguments = (shapes_of(ours), shapes_of(theirs), sources, tokens.tokens, heads)
    with pytest.raises(PlanError, match=name):
        build_plan(*arguments)
    plan = build_plan(*arguments, lacking={name: "unused"}, unused={"decoder.x": ((2, 3), "no place")})
    by_action = {row.action: row for row in plan.rows if row.token is None}
    assert (by_action["fresh"].target, by_action["fresh"].reason) == (name, "unused")
    assert (by_action["drop"].source, by_action["drop"].shape) == ("decoder.x", (2, 3))
    made = apply_plan(plan, theirs, ours)
    assert torch.equal(made[name], ours[name])


def test_a_vocabulary_that_is_taken_over_is_one_line_and_every_row_arrives():
    tokens = [f"t{number}" for number in range(50)]
    donor = {"embedding": torch.arange(100.0).reshape(50, 2)}
    sources = [TokenSource(t, "row copy", ((t, 1.0),), "same token") for t in tokens]
    new = TokenSource("new", "feature row", (("t0", 0.5), ("t1", 0.5)), "is like both")
    axis = TokenAxis((*sources, new), tuple(tokens), {"embedding": "embedding"}, grouped=True)
    fresh = {"embedding": torch.full((51, 2), -1.0)}
    plan = plan_axes({"embedding": (51, 2)}, {"embedding": (50, 2)}, [axis])
    assert [(row.token, row.count) for row in plan.rows] == [("50 tokens", 50), ("new", 1)]
    assert plan.counts() == {"row copy": 50, "feature row": 1}
    assert [row.get("count", 1) for row in plan.as_json()] == [50, 1]
    start = apply_plan(plan, donor, fresh)["embedding"]
    assert torch.equal(start[:50], donor["embedding"])
    assert torch.equal(start[50], donor["embedding"][:2].mean(dim=0))
    assert summarise(plan)[0] == "copied by name: the donor's vocabulary, 50 tokens"
