"""The loss of each kind of output, and what chance gives.

Losses are means over what is labelled, in float32 at least; where nothing is, they are 0 and keep
the graph, so that `backward` works. Axes: B batch, K classes or labels, S values, C channels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

UNLABELLED = -100
"""The class index of an example without a label."""


class Chance(NamedTuple):
    """Losses that need no model, in nats.

    `uniform` is the loss of equal probabilities, `entropy` that of the labels' own frequencies: the
    least that a constant guess can reach.
    """

    uniform: Tensor
    entropy: Tensor


def classification_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy: the mean over labelled rows of -log softmax(logits)[target].

    Shapes: logits [B, K] and target [B] integer, -100 where unlabelled, to a scalar.
    """
    total = F.cross_entropy(_wide(logits), target, ignore_index=UNLABELLED, reduction="sum")
    return total / (target != UNLABELLED).sum().clamp(min=1)


def chance_classification(target: Tensor, classes: int) -> Chance:
    """ln(classes), and the entropy of the batch's labels.

    Shapes: target [B] integer, -100 where unlabelled, to two scalars.
    """
    labelled = target != UNLABELLED
    rows = F.one_hot(target.masked_fill(~labelled, 0), classes) * labelled[:, None]
    share = rows.sum(dim=0) / labelled.sum().clamp(min=1)
    entropy = torch.special.entr(share).sum()
    return Chance(uniform=entropy.new_tensor(math.log(classes)), entropy=entropy)


def multilabel_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy: the mean over labelled cells of -log sigmoid(+-logits).

    Shapes: logits [B, K] and target [B, K] in 0 .. 1, NaN where unlabelled, to a scalar.
    """
    _check_shapes(logits, target)
    labelled = ~target.isnan()
    wide = _wide(logits)
    losses = F.binary_cross_entropy_with_logits(
        wide, target.to(wide.dtype).masked_fill(~labelled, 0), reduction="none"
    )
    return _mean(losses, labelled)


def chance_multilabel(target: Tensor) -> Chance:
    """ln 2, and the mean over labelled cells of the entropy of their label.

    Shapes: target [B, K] in 0 .. 1, NaN where unlabelled, to two scalars.
    """
    labelled = ~target.isnan()
    share = _wide(target).nan_to_num(0).sum(dim=0) / labelled.sum(dim=0).clamp(min=1)
    entropies = torch.special.entr(share) + torch.special.entr(1 - share)
    entropy = _mean(entropies.expand(target.shape), labelled)
    return Chance(uniform=entropy.new_tensor(math.log(2)), entropy=entropy)


def regression_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Squared error: the mean over labelled cells of (prediction - target)^2.

    Shapes: prediction and target [B] or [B, S], NaN where unlabelled, to a scalar.
    """
    _check_shapes(prediction, target)
    labelled = ~target.isnan()
    wide = _wide(prediction)
    return _mean((wide - target.to(wide.dtype).masked_fill(~labelled, 0)).square(), labelled)


def chance_regression(target: Tensor) -> Tensor:
    """The loss of always giving each value's mean: its variance in the batch.

    Shapes: target [B] or [B, S], NaN where unlabelled, to a scalar.
    """
    labelled = ~target.isnan()
    known = _wide(target).masked_fill(~labelled, 0)
    mean = known.sum(dim=0) / labelled.sum(dim=0).clamp(min=1)
    return regression_loss(mean.expand(target.shape), target)


def ranking_loss(scores: Tensor, relevance: Tensor, group: Tensor) -> Tensor:
    """Listwise softmax cross-entropy: the mean over groups of -sum_i p_i log q_i.

    Within a group, q = softmax(scores) and p = relevance / sum(relevance). A group without relevant
    items has no p and does not count; an unlabelled item is in no list.

    Shapes: scores [B], relevance [B] (0 or more, NaN where unlabelled) and group [B] integer, equal
    within a group, to a scalar.

    Source: Learning to Rank: From Pairwise Approach to Listwise Approach (Cao et al. 2007, ICML,
    the top-one probabilities of ListNet), with p in proportion to relevance as in An Analysis of
    the Softmax Cost Function for Learning to Rank (Bruch et al. 2019, ICTIR).
    """
    _check_shapes(scores, relevance)
    labelled = ~relevance.isnan()
    wide = _wide(scores)
    known = relevance.to(wide.dtype).masked_fill(~labelled, 0)
    # Every item has itself for company, so that no list is empty and no logarithm infinite.
    itself = torch.eye(len(group), dtype=torch.bool, device=group.device)
    together = (group[:, None] == group) & labelled | itself
    log_sum = wide.expand(together.shape).masked_fill(~together, -torch.inf).logsumexp(dim=1)
    total = together.to(wide.dtype) @ known
    share = known / total.masked_fill(total <= 0, 1)
    # The shares of a group that counts add up to 1: their sum is the number of such groups.
    return (share * (log_sum - wide)).sum() / share.sum().clamp(min=1)


def chance_ranking(relevance: Tensor, group: Tensor) -> Tensor:
    """The ranking loss of equal scores.

    Shapes: relevance [B] and group [B] integer, as in `ranking_loss`, to a scalar.
    """
    return ranking_loss(torch.zeros_like(relevance), relevance, group)


def contrastive_loss(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """InfoNCE within the batch: the mean of -log softmax_j(first_i . second_j / temperature)[i].

    Every other row's second is a negative example of a row's first. The vectors are taken as they
    are; with vectors of length 1 the products are cosines.

    Shapes: first [B, C] and second [B, C] to a scalar.

    Source: Representation Learning with Contrastive Predictive Coding (van den Oord, Li and Vinyals
    2018, arXiv:1807.03748, equation 4).
    """
    _check_shapes(first, second)
    logits = _wide(first) @ _wide(second).T / temperature
    return F.cross_entropy(logits, torch.arange(len(first), device=first.device))


def chance_contrastive(batch: int) -> float:
    """The contrastive loss of equal products: ln(batch)."""
    return math.log(batch)


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _mean(losses: Tensor, labelled: Tensor) -> Tensor:
    return losses.masked_fill(~labelled, 0).sum() / labelled.sum().clamp(min=1)


def _check_shapes(output: Tensor, target: Tensor) -> None:
    """Refuse shapes that would broadcast to a loss of something else."""
    if output.shape != target.shape:
        raise ValueError(f"shapes differ: {list(output.shape)} and {list(target.shape)}")
