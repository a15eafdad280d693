"""The losses of each kind of output.

Losses are means over what is labelled, in float32 at least; where nothing is, they are 0 and keep
the graph, so that `backward` works. With a weight [B], rows count by it.

Axes: B batch, K classes or labels, S values, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

UNLABELLED = -100
"""The class index of an example without a label."""


def classification_loss(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy: the mean over labelled rows of -log softmax(logits)[target].

    With label smoothing e, the target is 1 - e + e / K for the label and e / K for the others.

    Shapes: logits [B, K], target [B] integer, -100 where unlabelled, and weight [B] to a scalar.

    Source of label smoothing: Rethinking the Inception Architecture for Computer Vision (Szegedy et
    al. 2016, arXiv:1512.00567, section 7).
    """
    losses = _cross_entropy(logits, target, label_smoothing)
    return _mean(losses, target != UNLABELLED, weight)


def focal_loss(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, gamma: float = 2.0
) -> Tensor:
    """The mean over labelled rows of -(1 - p)^gamma log p, with p = softmax(logits)[target].

    Shapes: as in `classification_loss`.

    Source: Focal Loss for Dense Object Detection (Lin et al. 2017, arXiv:1708.02002, equation 4).
    """
    losses = _cross_entropy(logits, target)
    return _mean(_focused(losses, gamma), target != UNLABELLED, weight)


def multilabel_loss(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Binary cross-entropy: the mean over labelled cells of -log sigmoid(+-logits).

    The target may lie between 0 and 1: of clicks / impressions, weighted by the impressions, it
    is the negative log-likelihood of an impression's click.

    Shapes: logits and target, 0 to 1 and NaN where unlabelled, [B, K] or [B], and weight [B], to a
    scalar.
    """
    return _mean(_binary_cross_entropy(logits, target), ~target.isnan(), weight)


def multilabel_focal_loss(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, gamma: float = 2.0
) -> Tensor:
    """The mean over labelled cells of -(1 - p)^gamma log p, p being that of the label as it is.

    Shapes: as in `multilabel_loss`, with a target of 0 and 1.

    Source: Focal Loss for Dense Object Detection (Lin et al. 2017, arXiv:1708.02002, equation 4).
    """
    losses = _binary_cross_entropy(logits, target)
    return _mean(_focused(losses, gamma), ~target.isnan(), weight)


def regression_loss(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Squared error: the mean over labelled cells of (prediction - target)^2.

    Shapes: prediction and target [B] or [B, S], NaN where unlabelled, and weight [B], to a scalar.
    """
    known, labelled = _known(prediction, target)
    return _mean((_wide(prediction) - known).square(), labelled, weight)


def huber_loss(
    prediction: Tensor, target: Tensor, weight: Tensor | None = None, delta: float = 1.0
) -> Tensor:
    """The mean over labelled cells of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2).

    Shapes: as in `regression_loss`.

    Source: Robust Estimation of a Location Parameter (Huber 1964, Annals of Mathematical
    Statistics 35).
    """
    known, labelled = _known(prediction, target)
    losses = F.huber_loss(_wide(prediction), known, reduction="none", delta=delta)
    return _mean(losses, labelled, weight)


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
    known, labelled = _known(scores, relevance)
    wide = _wide(scores)
    # Every item has itself for company, so that no list is empty and no logarithm infinite.
    itself = torch.eye(len(group), dtype=torch.bool, device=group.device)
    together = (group[:, None] == group) & labelled | itself
    log_sum = wide.expand(together.shape).masked_fill(~together, -torch.inf).logsumexp(dim=1)
    total = together.to(wide.dtype) @ known
    share = known / total.masked_fill(total <= 0, 1)
    # The shares of a group that counts add up to 1: their sum is the number of such groups.
    return (share * (log_sum - wide)).sum() / share.sum().clamp(min=1)


def lambda_rank_loss(scores: Tensor, relevance: Tensor, group: Tensor) -> Tensor:
    """The mean over groups of sum_ij |change of NDCG_ij| log(1 + exp(s_j - s_i)).

    The sum is over pairs of a group in which i is more relevant than j, and the change is that of
    exchanging their places in the order of the scores; gains are 2^relevance - 1. Its gradient is
    LambdaRank's. A group of equally relevant items has no pair and does not count.

    Shapes: as in `ranking_loss`.

    Source: From RankNet to LambdaRank to LambdaMART: An Overview (Burges 2010, MSR-TR-2010-82,
    sections 3 and 4); as the gradient of a loss: The LambdaLoss Framework (Wang et al. 2018, CIKM).
    """
    known, labelled = _known(scores, relevance)
    wide = _wide(scores)
    together = (group[:, None] == group) & labelled[:, None] & labelled
    pairs = together & (known[:, None] > known)
    with torch.no_grad():
        gains = known.exp2() - 1
        ideal = (together * gains * _discounts(known, together)[None]).sum(dim=1)
        discounts = _discounts(wide, together)
        change = (gains[:, None] - gains).abs() * (discounts[:, None] - discounts).abs()
        change = pairs * change / ideal.masked_fill(ideal <= 0, 1)[:, None]
        # Each row of a group that has a pair is its size's part of one group.
        has_pair = (together & pairs.any(dim=1)[None]).any(dim=1)
        groups = (has_pair.to(wide.dtype) / together.sum(dim=1).clamp(min=1)).sum()
    losses = F.softplus(wide[None] - wide[:, None])
    return (change * losses).sum() / groups.clamp(min=1)


def _discounts(scores: Tensor, together: Tensor) -> Tensor:
    """1 / log2(1 + place) of each item [B] in the order of its group; ties stand as they are."""
    earlier = torch.ones_like(together).tril(-1)
    ahead = (scores > scores[:, None]) | ((scores == scores[:, None]) & earlier)
    return 1 / torch.log2(2 + (ahead & together).sum(dim=1).to(scores.dtype))


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


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _cross_entropy(logits: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Of each row [B]; 0 where unlabelled."""
    return F.cross_entropy(
        _wide(logits),
        target,
        ignore_index=UNLABELLED,
        reduction="none",
        label_smoothing=label_smoothing,
    )


def _binary_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Of each cell; a number where unlabelled too."""
    known, _ = _known(logits, target)
    return F.binary_cross_entropy_with_logits(_wide(logits), known, reduction="none")


def _focused(losses: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma times losses of -log p."""
    # The power's derivative at 0, where p rounds to 1, is infinite for a gamma below 1.
    return (-torch.expm1(-losses)).clamp(min=1e-12) ** gamma * losses


def _known(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The target in the output's wide dtype, 0 where unlabelled; and where it is labelled."""
    _check_shapes(output, target)
    labelled = ~target.isnan()
    return target.to(_wide(output).dtype).masked_fill(~labelled, 0), labelled


def _mean(losses: Tensor, labelled: Tensor, weight: Tensor | None) -> Tensor:
    """The mean of what is labelled, rows counting by their weight [B] if there is one."""
    if weight is None:
        return losses.masked_fill(~labelled, 0).sum() / labelled.sum().clamp(min=1)
    counts = labelled * (weight if losses.ndim == 1 else weight[:, None])
    total = counts.sum()
    return (losses.masked_fill(~labelled, 0) * counts).sum() / total.masked_fill(total <= 0, 1)


def _check_shapes(output: Tensor, target: Tensor) -> None:
    """Refuse shapes that would broadcast to a loss of something else."""
    if output.shape != target.shape:
        raise ValueError(f"shapes differ: {list(output.shape)} and {list(target.shape)}")
