from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from seobuilder.layers import objectives as o

NAN = math.nan


def test_classification_leaves_unlabelled_rows_out() -> None:
    logits = torch.randn(4, 3)
    target = torch.tensor([0, -100, 2, -100])
    expected = F.cross_entropy(logits[[0, 2]], target[[0, 2]])
    torch.testing.assert_close(o.classification_loss(logits, target), expected)


def test_chance_of_classification() -> None:
    chance = o.chance_classification(torch.tensor([0, 0, 1, -100, 1, 0]), 4)
    assert float(chance.uniform) == pytest.approx(math.log(4))
    assert float(chance.entropy) == pytest.approx(-0.6 * math.log(0.6) - 0.4 * math.log(0.4))
    target = torch.tensor([0, 3, 1, -100])
    equal = o.classification_loss(torch.zeros(4, 4), target)
    torch.testing.assert_close(o.chance_classification(target, 4).uniform, equal)


def test_multilabel_leaves_unlabelled_cells_out() -> None:
    logits = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    target = torch.tensor([[1.0, NAN], [0.0, 1.0]])
    terms = [
        -math.log(1 / (1 + math.exp(-1))),
        math.log(1 + math.exp(0.5)),
        math.log(1 + math.exp(-3)),
    ]
    assert float(o.multilabel_loss(logits, target)) == pytest.approx(sum(terms) / 3)


def test_chance_of_multilabel_is_what_constant_logits_reach() -> None:
    target = torch.tensor([[1.0, 0.0], [0.0, NAN], [0.0, 0.0], [0.0, 1.0]])
    share = torch.tensor([1 / 4, 1 / 3])
    chance = o.chance_multilabel(target)
    best = o.multilabel_loss(share.logit().expand(4, 2), target)
    torch.testing.assert_close(chance.entropy, best)
    torch.testing.assert_close(chance.uniform, o.multilabel_loss(torch.zeros(4, 2), target))


@pytest.mark.parametrize("shape", [(6,), (6, 2)])
def test_regression_and_its_chance(shape: tuple[int, ...]) -> None:
    prediction, target = torch.randn(shape), torch.randn(shape)
    torch.testing.assert_close(
        o.regression_loss(prediction, target), F.mse_loss(prediction, target)
    )
    torch.testing.assert_close(o.chance_regression(target), target.var(0, correction=0).mean())
    target[0] = NAN
    torch.testing.assert_close(
        o.regression_loss(prediction, target), F.mse_loss(prediction[1:], target[1:])
    )


def reference_ranking(scores, relevance, group) -> float:
    losses = []
    for g in sorted(set(group)):
        items = [i for i, other in enumerate(group) if other == g and not math.isnan(relevance[i])]
        total = sum(relevance[i] for i in items)
        if total > 0:
            norm = math.log(sum(math.exp(scores[i]) for i in items))
            losses.append(-sum(relevance[i] / total * (scores[i] - norm) for i in items))
    return sum(losses) / len(losses) if losses else 0.0


item = st.tuples(st.floats(-5, 5), st.sampled_from([0.0, 0.0, 1.0, 2.0, NAN]), st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(item, min_size=1, max_size=12))
def test_ranking_equals_a_loop_over_groups(items: list[tuple[float, float, int]]) -> None:
    scores, relevance, group = zip(*items, strict=True)
    given_scores = torch.tensor(scores, requires_grad=True)
    loss = o.ranking_loss(given_scores, torch.tensor(relevance), torch.tensor(group))
    assert loss.item() == pytest.approx(reference_ranking(scores, relevance, group), abs=1e-4)
    loss.backward()
    assert given_scores.grad is not None and given_scores.grad.isfinite().all()
    chance = o.chance_ranking(torch.tensor(relevance), torch.tensor(group))
    zeros = [0.0] * len(items)
    assert float(chance) == pytest.approx(reference_ranking(zeros, relevance, group), abs=1e-4)


def test_contrastive_is_cross_entropy_on_the_diagonal() -> None:
    first, second = torch.randn(5, 3), torch.randn(5, 3)
    loss = o.contrastive_loss(first, second, 0.5)
    expected = -(first @ second.T / 0.5).log_softmax(1).diagonal().mean()
    torch.testing.assert_close(loss, expected)
    same = torch.ones(5, 3)
    assert float(o.contrastive_loss(same, same, 0.1)) == pytest.approx(o.chance_contrastive(5))


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (o.classification_loss, torch.full((3,), -100)),
        (o.multilabel_loss, torch.full((3, 4), NAN)),
        (o.regression_loss, torch.full((3, 4), NAN)),
        (lambda x, t: o.ranking_loss(x[:, 0], t, torch.zeros(3)), torch.full((3,), NAN)),
        (lambda x, t: o.ranking_loss(x[:, 0], t, torch.zeros(3)), torch.zeros(3)),
    ],
)
def test_nothing_labelled_gives_zero_with_a_graph(loss, target) -> None:
    output = torch.randn(3, 4, requires_grad=True)
    found = loss(output, target)
    assert found.item() == 0
    found.backward()
    assert output.grad is not None and (output.grad == 0).all()


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shapes differ: \[3\] and \[3, 1\]"):
        o.regression_loss(torch.ones(3), torch.ones(3, 1))


def test_half_precision_is_widened() -> None:
    logits = torch.randn(4, 3, dtype=torch.bfloat16)
    assert o.classification_loss(logits, torch.tensor([0, 1, 2, 0])).dtype == torch.float32
