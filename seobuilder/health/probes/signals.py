"""The records of signals and attention, from one pass through the model and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from math import sqrt

import torch
from torch import Tensor, nn

from seobuilder.health.probes.measure import (
    dead_share,
    expected_dead,
    rows_of,
    similarity,
    thinned,
)
from seobuilder.health.probes.places import Place
from seobuilder.health.probes.prediction import Prediction, gradient_ratios
from seobuilder.layers import Attention
from seobuilder.report.probes import AttentionRecord, SignalRecord


def signal_records(
    places: Iterable[Place],
    outputs: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor | None],
    activations: Mapping[str, tuple[Tensor, Tensor]],
    masks: Mapping[str, Tensor],
    prediction: Prediction | None,
) -> tuple[SignalRecord, ...]:
    """One record for each place that was heard.

    Args:
        places: in any order.
        outputs: by place, in the order of evaluation.
        gradients: of the loss with respect to each output.
        activations: what goes into, and comes out of, the ReLU inside a place.
        masks: real positions [B, T] of each tokens input.
        prediction: None where nothing could be predicted.
    """
    by_name = {place.name: place for place in places}
    heard = [by_name[name] for name in outputs]
    slopes = _slopes(heard, gradients, masks)
    bands = _gradient_bands(heard, slopes, prediction)
    records = []
    for depth, place in enumerate(heard):
        output = outputs[place.name]
        mask = masks.get(place.mask or "")
        rows, examples = rows_of(output, mask)
        rows, examples = thinned(rows), thinned(examples)
        mean, variance = _moments(rows_of(output, mask)[0])
        expected, low, high = _band(place, prediction, rows, examples)
        dead, dead_expected = _dead(activations.get(place.name), mask)
        steep, steep_low, steep_high = bands.get(place.name, (None, None, None))
        records.append(
            SignalRecord(
                name=place.name,
                kind=place.node.kind,
                depth=depth,
                width=rows.shape[1],
                mean=mean,
                variance=variance,
                expected=expected,
                low=low,
                high=high,
                gradient=slopes.get(place.name),
                gradient_expected=steep,
                gradient_low=steep_low,
                gradient_high=steep_high,
                similarity=similarity(rows, examples, within=output.ndim > 2),
                dead=dead,
                dead_expected=dead_expected,
            )
        )
    return tuple(records)


def _moments(rows: Tensor) -> tuple[float | None, float | None]:
    if not rows.numel():
        return None, None
    return float(rows.mean()), float(rows.var(correction=0))


def _band(
    place: Place, prediction: Prediction | None, rows: Tensor, examples: Tensor
) -> tuple[float | None, float | None, float | None]:
    """Expected variance and its band, knowing how alike the rows are."""
    if prediction is None or not rows.numel():
        return None, None, None
    alike = similarity(rows, examples, within=False)
    share = max(0.0, alike if alike is not None else 0.0)
    independent = 1 / (share + (1 - share) / len(rows))
    band = prediction.band(place, rows.shape[1] * independent)
    return (prediction.variance(place), *(band or (None, None)))


def _dead(
    activation: tuple[Tensor, Tensor] | None, mask: Tensor | None
) -> tuple[float | None, float | None]:
    if activation is None:
        return None, None
    before, examples = rows_of(activation[0], mask)
    after, _ = rows_of(activation[1], mask)
    alike = similarity(thinned(before), thinned(examples), within=False)
    if alike is None:
        return dead_share(after), None
    return dead_share(after), expected_dead(alike, len(before))


def _slopes(
    places: Iterable[Place], gradients: Mapping[str, Tensor | None], masks: Mapping[str, Tensor]
) -> dict[str, float]:
    """Root mean square of the gradient at real positions."""
    found = {}
    for place in places:
        gradient = gradients.get(place.name)
        if gradient is not None:
            rows, _ = rows_of(gradient, masks.get(place.mask or ""))
            if rows.numel():
                found[place.name] = float(rows.square().mean().sqrt())
    return found


GRADIENT_FACTOR = 1.5
"""What correlations within a batch, which the theory leaves out, may make of a gradient."""


def _gradient_bands(
    places: list[Place], slopes: Mapping[str, float], prediction: Prediction | None
) -> dict[str, tuple[float, float, float]]:
    """Expected gradient and its band behind each block, given that behind the last of its stack."""
    bands: dict[str, tuple[float, float, float]] = {}
    blocks = [place for place in places if place.is_block]
    for _, members in groupby(blocks, key=lambda place: place.stack):
        stack = list(members)
        anchor = slopes.get(stack[-1].name)
        ratios = gradient_ratios(prediction, stack) if prediction and len(stack) > 1 else None
        if ratios is None or not anchor or prediction is None:
            continue
        for index, (place, ratio) in enumerate(zip(stack, ratios, strict=True)):
            layers = len(stack) - 1 - index
            if layers:
                spread = prediction.spread[stack[-1].name] + 2 / _units(place)
                factor = GRADIENT_FACTOR * (1 + 3.3 * sqrt(spread) / 2)
                bands[place.name] = (
                    anchor * ratio,
                    anchor * ratio / factor,
                    anchor * ratio * factor,
                )
    return bands


def _units(place: Place) -> int:
    sizes = [p.shape[0] for part in place.node.walk() for p in part.parameters]
    return max(1, min(sizes, default=1))


@torch.no_grad()
def attention_records(
    modules: Mapping[str, nn.Module], inputs: Mapping[str, tuple[Tensor | None, ...]]
) -> tuple[AttentionRecord, ...]:
    """Scores and weights of each attention, from what went into it."""
    return tuple(
        _attention(name, module, *inputs[name])
        for name, module in modules.items()
        if isinstance(module, Attention) and name in inputs
    )


def _attention(
    name: str, module: Attention, x: Tensor | None, mask: Tensor | None = None
) -> AttentionRecord:
    assert x is not None
    std, largest, entropy, uniform = attention_numbers(module, x, mask).tolist()
    return AttentionRecord(
        name=name,
        heads=module.heads,
        logit_std=std,
        logit_max=largest,
        entropy=entropy,
        uniform=uniform,
    )


def attention_numbers(module: Attention, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Four numbers [4] of what went into an attention, on its device; NaN where nothing is real.

    Standard deviation and largest size of the scores that are seen; the mean entropy of the weights
    of real queries, in nats, and that of equal weights.
    """
    scores, seen = module.scores(x, mask)
    scores = scores if scores.dtype == torch.float64 else scores.float()
    entropy = torch.special.entr(scores.softmax(dim=-1)).sum(dim=-1)
    keys = seen.sum(dim=-1).clamp(min=1).to(scores.dtype).log().expand(entropy.shape)
    if mask is None:
        mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    queries = mask[:, None].expand(entropy.shape)
    visible = (seen & mask[:, None, :, None]).expand(scores.shape)
    values, count = scores.masked_fill(~visible, 0), visible.sum()
    mean = values.sum() / count
    squares = ((values - mean).square() * visible).sum() / count
    real = queries.sum()
    largest = torch.where(count > 0, values.abs().amax(), torch.nan)
    means = ((each * queries).sum() / real for each in (entropy, keys))
    return torch.stack([squares.sqrt(), largest, *means])
