"""Families whose elements depend on each other: they are drawn as a whole weight.

Each sampler is called as (distribution, weight, stream, spread): it fills `weight`, contiguous
float32 or float64, in place. PyTorch runs on one thread, so that rounding is always the same;
`spread` may share out parts of a large weight to several.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seobuilder.init.elementwise import standard_normal_
from seobuilder.init.streams import Stream
from seobuilder.init.threads import Spread, in_turn
from seobuilder.planning.distributions import (
    DeltaOrthogonal,
    Dirac,
    Identity,
    Orthogonal,
    Sparse,
    matrix_shape,
)

REFLECTIONS = 64
"""Householder reflections that are applied at once."""
PANEL = 512
"""Columns of an orthogonal matrix that one thread computes at a time."""


def identity(d: Identity, weight: Tensor, stream: Stream, spread: Spread) -> None:
    """`gain` on the main diagonal of the weight read as a matrix."""
    weight.zero_().view(matrix_shape(tuple(weight.shape))).fill_diagonal_(d.gain)


def dirac(d: Dirac, weight: Tensor, stream: Stream, spread: Spread) -> None:
    """Ones at the centre tap, from input j of a group to output j of it."""
    assert len(weight) % d.groups == 0, f"{len(weight)} channels in {d.groups} groups"
    for group in _centre_tap(weight.zero_()).chunk(d.groups):
        group.fill_diagonal_(1)


def orthogonal(d: Orthogonal, weight: Tensor, stream: Stream, spread: Spread) -> None:
    """Independent semi-orthogonal matrices of Haar's measure, stacked along axis 0."""
    rows, columns = d.block_shape(tuple(weight.shape))
    tall = (d.blocks, max(rows, columns), min(rows, columns))
    gaussian = standard_normal_(torch.empty(tall, dtype=weight.dtype), stream, spread)
    for block, normals in zip(weight.view(d.blocks, rows, columns), gaussian, strict=True):
        _haar(normals, block if rows >= columns else block.T, spread)
    weight.mul_(d.gain)


def delta_orthogonal(d: DeltaOrthogonal, weight: Tensor, stream: Stream, spread: Spread) -> None:
    """A semi-orthogonal matrix at the centre tap of a convolution."""
    centre = torch.empty(weight.shape[:2], dtype=weight.dtype)
    orthogonal(Orthogonal(d.gain), centre, stream, spread)
    _centre_tap(weight.zero_()).copy_(centre)


def sparse(d: Sparse, weight: Tensor, stream: Stream, spread: Spread) -> None:
    """The same number of non-zero normals in every column, at places of a stream of their own."""
    shape = tuple(weight.shape)
    assert d.fits(shape), f"{d.describe()} cannot reach every row of {shape}"
    rows, columns = matrix_shape(shape)
    places = _places(rows, columns, d.nonzeros(rows), stream.for_purpose("places"), spread)
    if not d.dead_rows:
        _revive(places, rows, stream.for_purpose("revival"))
    values = torch.empty(places.shape, dtype=weight.dtype)
    standard_normal_(values, stream, spread).mul_(d.std)
    weight.zero_().view(rows, columns).scatter_(0, torch.from_numpy(places).T, values.T)


def _centre_tap(weight: Tensor) -> Tensor:
    """The view [out, in] of a convolution's weight [out, in, *k] at the middle of its kernel."""
    for size in weight.shape[2:]:
        weight = weight.select(2, size // 2)
    return weight


def _haar(vectors: Tensor, out: Tensor, spread: Spread = in_turn) -> None:
    """Write a matrix with orthonormal columns, distributed by Haar's measure, into `out`.

    It is the product of Householder reflections whose vectors are independent Gaussians of
    shrinking length: column j of `vectors`, from its diagonal element down. Stewart 1980, The
    efficient generation of random orthogonal matrices with an application to condition estimators,
    section 3 (SIAM Journal on Numerical Analysis 17). A QR factorization would spend as much again
    on finding such vectors. The sign makes the diagonal of R positive, without which the measure
    is not Haar's.

    The reflections of unit vectors V are applied at once as I - V S^-1 V', where S is the upper
    triangle of V' V with its diagonal halved. Joffrain, Low, Quintana-Ortí, van de Geijn and Van
    Zee 2006, Accumulating Householder transformations, revisited (ACM TOMS 32), theorem 1. Panels
    of columns are independent of each other, and cut by shape alone.

    Args:
        vectors: independent standard normals [rows, columns], rows >= columns; overwritten.
        out: [rows, columns], of any strides.
        spread: shares out the panels.
    """
    columns = vectors.shape[1]
    heads = vectors.tril_().diagonal()
    signs = torch.where(heads < 0, -1.0, 1.0).to(vectors.dtype)
    heads += signs * torch.linalg.vector_norm(vectors, dim=0)
    vectors /= torch.linalg.vector_norm(vectors, dim=0)

    def triangle(first: int) -> Tensor:
        block = vectors[first:, first : first + REFLECTIONS]
        product = (block.T @ block).triu_()
        product.diagonal().mul_(0.5)
        return product

    triangles = spread(triangle, range(0, columns, REFLECTIONS))

    def panel(first: int) -> None:
        last = min(first + PANEL, columns)
        columns_of_q = torch.zeros(len(vectors), last - first, dtype=vectors.dtype)
        columns_of_q[first:last].diagonal().copy_(-signs[first:last])
        # Later reflections leave these columns of the identity as they are.
        for start in reversed(range(0, last, REFLECTIONS)):
            block = vectors[start:, start : start + REFLECTIONS]
            below = columns_of_q[start:, max(0, start - first) :]
            factors = torch.linalg.solve_triangular(
                triangles[start // REFLECTIONS], block.T @ below, upper=True
            )
            below.addmm_(block, factors, alpha=-1)
        out[:, first:last] = columns_of_q

    spread(panel, reversed(range(0, columns, PANEL)))


def _places(
    rows: int, columns: int, count: int, stream: Stream, spread: Spread
) -> NDArray[np.int64]:
    """For each column, `count` different rows, every choice as likely: [columns, count], sorted."""
    places = np.empty((columns, count), dtype=np.int64)
    if count == rows:
        places[:] = np.arange(rows)
        return places
    step = max(1, (1 << 16) // rows)

    def choose(first: int) -> None:
        last = min(first + step, columns)
        words = stream.words(first * rows, last * rows).reshape(last - first, rows)
        largest = np.partition(words, count - 1, axis=1)[:, count - 1 : count]
        chosen = words <= largest
        for column in np.flatnonzero(chosen.sum(axis=1) != count):
            # Equal words at the border: the first rows among them are taken.
            chosen[column] = False
            chosen[column, np.argsort(words[column], kind="stable")[:count]] = True
        places[first:last] = (np.flatnonzero(chosen) % rows).reshape(last - first, count)

    spread(choose, range(0, columns, step))
    return places


def _revive(places: NDArray[np.int64], rows: int, stream: Stream) -> None:
    """Move elements from rows that have several to rows that have none, within their column.

    Elements are visited in random order, and once: one that was its row's last stays so.
    """
    counts = np.bincount(places.ravel(), minlength=rows)
    dead = list(np.flatnonzero(counts == 0))
    if not dead:
        return
    flat = places.reshape(-1)
    for index in np.argsort(stream.words(0, flat.size), kind="stable"):
        if not dead:
            return
        if counts[flat[index]] > 1:
            counts[flat[index]] -= 1
            flat[index] = dead.pop()
