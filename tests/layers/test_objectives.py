from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seobuilder.layers import objectives as o

NAN = math.nan


def test_classification_leaves_unlabelled_rows_out() -> None:
    logits = torch.randn(4, 3)
    target = torch.tensor([0, -100, 2, -100])
    expected = F.cross_entropy(logits[[0, 2]], target[[0, 2]])
    torch.testing.assert_close(o.classification_loss(logits, target), expected)


def test_multilabel_leaves_unlabelled_cells_out() -> None:
    logits = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    target = torch.tensor([[1.0, NAN], [0.0, 1.0]])
    terms = [
        -math.log(1 / (1 + math.exp(-1))),
        math.log(1 + math.exp(0.5)),
        math.log(1 + math.exp(-3)),
    ]
    assert float(o.multilabel_loss(logits, target)) == pytest.approx(sum(terms) / 3)


@pytest.mark.parametrize("shape", [(6,), (6, 2)])
def test_regression_leaves_unlabelled_cells_out(shape: tuple[int, ...]) -> None:
    prediction, target = torch.randn(shape), torch.randn(shape)
    torch.testing.assert_close(
        o.regression_loss(prediction, target), F.mse_loss(prediction, target)
    )
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


def test_contrastive_is_cross_entropy_on_the_diagonal() -> None:
    first, second = torch.randn(5, 3), torch.randn(5, 3)
    loss = o.contrastive_loss(first, second, 0.5)
    expected = -(first @ second.T / 0.5).log_softmax(1).diagonal().mean()
    torch.testing.assert_close(loss, expected)
    same = torch.ones(5, 3)
    assert float(o.contrastive_loss(same, same, 0.1)) == pytest.approx(math.log(5))


def test_label_smoothing_and_focus_by_hand() -> None:
    logits, target = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]]), torch.tensor([0, -100])
    p = [math.exp(x) / (math.exp(2) + 1 + math.exp(-1)) for x in (2, 0, -1)]
    smooth = -(0.8 * math.log(p[0]) + 0.1 * math.log(p[1]) + 0.1 * math.log(p[2]))
    assert float(o.classification_loss(logits, target, None, 0.3)) == pytest.approx(smooth)
    focal = -((1 - p[0]) ** 2) * math.log(p[0])
    assert float(o.focal_loss(logits, target)) == pytest.approx(focal)
    assert float(o.focal_loss(logits, target, None, 0.0)) == pytest.approx(-math.log(p[0]))


def test_binary_focus_by_hand() -> None:
    p = 1 / (1 + math.exp(-1.5))
    logits, target = torch.tensor([[1.5, 1.5], [9.0, 9.0]]), torch.tensor([[1.0, 0.0], [NAN, NAN]])
    terms = -((1 - p) ** 3) * math.log(p) - p**3 * math.log(1 - p)
    found = o.multilabel_focal_loss(logits, target, None, 3.0)
    assert float(found) == pytest.approx(terms / 2)


def test_a_gamma_below_one_has_a_finite_gradient_where_the_row_is_right() -> None:
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    o.focal_loss(logits, torch.tensor([0]), None, 0.5).backward()
    assert logits.grad is not None and logits.grad.isfinite().all()


def test_huber_is_a_parabola_and_then_a_line() -> None:
    prediction, target = torch.tensor([0.5, 4.0, 9.0]), torch.tensor([0.0, 0.0, NAN])
    expected = (0.5**2 / 2 + 2 * (4 - 1)) / 2
    assert float(o.huber_loss(prediction, target, None, 2.0)) == pytest.approx(expected)


def test_rows_count_by_their_weight() -> None:
    weight = torch.tensor([3.0, 0.0, 1.0, 7.0])
    logits, target = torch.randn(4, 3), torch.tensor([0, 1, 2, -100])
    expected = F.cross_entropy(logits[[0, 0, 0, 2]], target[[0, 0, 0, 2]])
    torch.testing.assert_close(o.classification_loss(logits, target, weight), expected)
    rates = torch.tensor([0.25, 0.5, 0.0, NAN])
    logit = torch.tensor([0.3, 9.0, -1.0, 2.0])
    p = torch.tensor([0.3, -1.0]).sigmoid()
    likelihood = 0.75 * p[0].log() + 2.25 * (1 - p[0]).log() + (1 - p[1]).log()
    torch.testing.assert_close(o.multilabel_loss(logit, rates, weight), -likelihood / 4)
    nothing = torch.zeros(4)
    assert float(o.classification_loss(logits, target, nothing)) == 0


def reference_lambda_rank(scores, relevance, group) -> float:
    """Pair by pair, as the paper has it."""
    total, groups = 0.0, 0
    for g in sorted(set(group)):
        items = [i for i, other in enumerate(group) if other == g and not math.isnan(relevance[i])]
        order = sorted(items, key=lambda i: (-scores[i], i))
        place = {i: n + 1 for n, i in enumerate(order)}
        ideal = sum(
            (2 ** relevance[i] - 1) / math.log2(n + 2)
            for n, i in enumerate(sorted(items, key=lambda i: -relevance[i]))
        )
        pairs = [(i, j) for i in items for j in items if relevance[i] > relevance[j]]
        groups += bool(pairs)
        for i, j in pairs:
            gain = 2 ** relevance[i] - 2 ** relevance[j]
            discount = abs(1 / math.log2(1 + place[i]) - 1 / math.log2(1 + place[j]))
            total += gain * discount / ideal * math.log1p(math.exp(scores[j] - scores[i]))
    return total / groups if groups else 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(item, min_size=1, max_size=12))
@example([(0.0, float(i > 3), group) for i, group in enumerate((0, 0, 0, 1, 1, 1, 1, 1, 1))])
def test_lambda_rank_equals_a_loop_over_pairs(items: list[tuple[float, float, int]]) -> None:
    scores, relevance, group = zip(*items, strict=True)
    given_scores = torch.tensor(scores, dtype=torch.float64, requires_grad=True)
    known = torch.tensor(relevance, dtype=torch.float64)
    loss = o.lambda_rank_loss(given_scores, known, torch.tensor(group))
    assert loss.item() == pytest.approx(reference_lambda_rank(scores, relevance, group), abs=1e-9)
    loss.backward()
    assert given_scores.grad is not None and given_scores.grad.isfinite().all()


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (o.classification_loss, torch.full((3,), -100)),
        (o.multilabel_loss, torch.full((3, 4), NAN)),
        (o.regression_loss, torch.full((3, 4), NAN)),
        (lambda x, t: o.ranking_loss(x[:, 0], t, torch.zeros(3)), torch.full((3,), NAN)),
        (lambda x, t: o.ranking_loss(x[:, 0], t, torch.zeros(3)), torch.zeros(3)),
        (lambda x, t: o.lambda_rank_loss(x[:, 0], t, torch.zeros(3)), torch.ones(3)),
        (o.focal_loss, torch.full((3,), -100)),
        (o.multilabel_focal_loss, torch.full((3, 4), NAN)),
        (o.huber_loss, torch.full((3, 4), NAN)),
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
