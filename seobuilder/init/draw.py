"""Drawing a tensor, or any slice of it, from a distribution and a keyed random stream.

`SAMPLERS` says how each distribution is drawn. Most are drawn element by element: element i of the
flat tensor is a function of word i alone, so a slice costs what it holds. A family whose elements
depend on each other is drawn whole, and a slice is cut from it.

Values are computed in float32 or wider, then cast to a narrower dtype if one is asked for, so that
a bfloat16 weight is the cast of the float32 weight. A float64 weight is computed in float64 from
more random bits. No global random generator is read or changed, and the number of threads changes
no bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor

from seobuilder.init import elementwise, gates, matrices
from seobuilder.init.streams import Stream
from seobuilder.init.threads import Job, Spread, run
from seobuilder.planning.distributions import (
    Constant,
    DeltaOrthogonal,
    Dirac,
    Distribution,
    ForgetGate,
    Identity,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)

PART = 1 << 22
"""Elements of one job: long enough to outweigh its start, short enough to share out evenly."""
WHOLE_COST = 30
"""How much longer an element of a weight that is drawn whole takes than another one."""


@dataclass(frozen=True, slots=True)
class Elementwise:
    """Fills a flat tensor with the next elements: (distribution, uniforms, out).

    The distribution is that of the sampler's key in `SAMPLERS`.
    """

    sample: elementwise.Sampler


@dataclass(frozen=True, slots=True)
class Whole:
    """Fills a whole weight: (distribution, weight, stream, spread)."""

    sample: Callable[[Any, Tensor, Stream, Spread], None]


SAMPLERS: dict[type[Distribution], Elementwise | Whole] = {
    Constant: Elementwise(elementwise.constant),
    Uniform: Elementwise(elementwise.uniform),
    Normal: Elementwise(elementwise.normal),
    TruncatedNormal: Elementwise(elementwise.truncated_normal),
    Identity: Whole(matrices.identity),
    Dirac: Whole(matrices.dirac),
    Orthogonal: Whole(matrices.orthogonal),
    DeltaOrthogonal: Whole(matrices.delta_orthogonal),
    Sparse: Whole(matrices.sparse),
    ForgetGate: Whole(gates.forget_gate),
}


def draw(
    distribution: Distribution,
    shape: tuple[int, ...],
    *,
    name: str,
    seed: int,
    dtype: torch.dtype = torch.float32,
    start: int = 0,
    stop: int | None = None,
    padding_row: int | None = None,
) -> Tensor:
    """The parameter called `name`, or the slice [start, stop) of its flat elements.

    Args:
        distribution: what to draw; `Keep` is the initializer's business.
        shape: shape of the whole parameter, also where a slice is asked for.
        name: logical name; with the seed, it decides every bit.
        seed: the recipe's seed.
        dtype: floating dtype of the result.
        start: first flat index.
        stop: flat index after the last; None for the end.
        padding_row: index along axis 0 of a row that is zero.

    Returns:
        A tensor of `shape` if it is the whole parameter, else [stop - start].
    """
    count = prod(shape)
    stop = count if stop is None else stop
    assert 0 <= start <= stop <= count, f"no slice [{start}, {stop}) in {count} elements"
    flat = torch.empty(stop - start, dtype=dtype)
    run(_jobs(flat, distribution, shape, Stream(seed, name), start, padding_row))
    return flat.view(shape) if stop - start == count else flat


def fill_(
    tensor: Tensor,
    distribution: Distribution,
    *,
    name: str,
    seed: int,
    padding_row: int | None = None,
) -> Tensor:
    """Draw into `tensor`, which is contiguous, in place, and return it; see `draw`."""
    run(fill_jobs(tensor, distribution, name=name, seed=seed, padding_row=padding_row))
    return tensor


def fill_jobs(
    tensor: Tensor,
    distribution: Distribution,
    *,
    name: str,
    seed: int,
    padding_row: int | None = None,
) -> list[Job]:
    """The jobs that fill `tensor` as `fill_` does, in any order and on any thread."""
    assert tensor.is_contiguous(), f"{name} is not contiguous"
    flat = tensor.detach().view(-1)
    return _jobs(flat, distribution, tuple(tensor.shape), Stream(seed, name), 0, padding_row)


def _jobs(
    flat: Tensor,
    distribution: Distribution,
    shape: tuple[int, ...],
    stream: Stream,
    start: int,
    padding_row: int | None,
) -> list[Job]:
    """Jobs that write the elements from `start` on of the parameter of that shape into `flat`."""
    sampler = SAMPLERS.get(type(distribution))
    assert sampler is not None, f"{distribution.describe()} is not drawn"
    width = prod(shape[1:])
    padding = (0, 0) if padding_row is None else (padding_row * width, (padding_row + 1) * width)

    def draw_part(part: Tensor, first: int, sample: elementwise.Sampler, spread: Spread) -> None:
        elementwise.write(part, sample, distribution, stream, first)
        _zero(part, first, padding)

    def draw_whole(sample: Callable[..., None], spread: Spread) -> None:
        if len(flat) == prod(shape):
            sample(distribution, flat.view(shape), stream, spread)
        else:
            whole = torch.empty(shape, dtype=flat.dtype)
            sample(distribution, whole, stream, spread)
            flat.copy_(whole.view(-1)[start : start + len(flat)])
        _zero(flat, start, padding)

    if isinstance(sampler, Whole):
        task = partial(draw_whole, sampler.sample)
        return [Job(task, cost=WHOLE_COST * prod(shape), divisible=True)]
    jobs = []
    for offset in range(0, len(flat), PART):
        part = flat[offset : offset + PART]
        jobs.append(Job(partial(draw_part, part, start + offset, sampler.sample), cost=len(part)))
    return jobs


def _zero(flat: Tensor, start: int, padding: tuple[int, int]) -> None:
    """Zero the padding's elements among those from `start` on in `flat`."""
    first, last = (max(0, index - start) for index in padding)
    flat[first:last] = 0
