"""Families whose elements depend on each other: they are drawn as a whole weight.

Each sampler is called as (distribution, weight, stream, spread): it fills `weight`, contiguous, in
place; a narrower dtype than float32 gets rounded float32 values. PyTorch runs on one thread, so
that rounding is always the same; `spread` may share out parts of a large weight to several.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seobuilder.init.elementwise import normal, standard_normal_, write
from seobuilder.init.streams import Stream
from seobuilder.init.threads import Spread, in_turn
from seobuilder.planning.distributions import (
    DeltaOrthogonal,
    Dirac,
    Identity,
    Normal,
    Orthogonal,
    Sparse,
    matrix_shape,
)

REFLECTIONS = 64
"""Householder reflections that are applied at once."""
PANEL = 512
"""Columns of an orthogonal matrix that one thread computes at a time."""
PIECE = 1 << 17
"""Elements of a sparse weight that one thread draws at a time."""


def identity(d: Identity, weight: Tensor, stream: Stream, spread: Spread) -> None:
    """`gain` on the main diagonal of each block of the weight read as a matrix."""
    for block in weight.zero_().view(matrix_shape(tuple(weight.shape))).chunk(d.blocks):
        block.fill_diagonal_(d.gain)


def dirac(d: Dirac, weight: Tensor, stream: Stream, spread: Spread) -> None:
    """Ones at the centre tap, from input j of a group to output j of it."""
    assert len(weight) % d.groups == 0, f"{len(weight)} channels in {d.groups} groups"
    for group in _centre_tap(weight.zero_()).chunk(d.groups):
        group.fill_diagonal_(1)


def orthogonal(d: Orthogonal, weight: Tensor, stream: Stream, spread: Spread) -> None:
    """Independent semi-orthogonal matrices of Haar's measure, stacked along axis 0."""
    rows, columns = d.block_shape(tuple(weight.shape))
    tall = (d.blocks, max(rows, columns), min(rows, columns))
    gaussian = standard_normal_(torch.empty(tall, dtype=_wide(weight)), stream, spread)
    drawn = weight.to(_wide(weight))  # the weight itself if it is wide
    for block, normals in zip(drawn.view(d.blocks, rows, columns), gaussian, strict=True):
        _haar(normals, block if rows >= columns else block.T, spread)
    weight.copy_(drawn.mul_(d.gain))


def delta_orthogonal(d: DeltaOrthogonal, weight: Tensor, stream: Stream, spread: Spread) -> None:
    """A semi-orthogonal matrix at the centre tap of a convolution."""
    centre = torch.empty(weight.shape[:2], dtype=_wide(weight))
    orthogonal(Orthogonal(d.gain), centre, stream, spread)
    _centre_tap(weight.zero_()).copy_(centre)


def sparse(d: Sparse, weight: Tensor, stream: Stream, spread: Spread) -> None:
    """The same number of non-zero normals in every column, at places of a stream of their own.

    Places are found again rather than kept, for together they may outweigh the weight.
    """
    shape = tuple(weight.shape)
    assert d.fits(shape), f"{d.describe()} cannot reach every row of {shape}"
    rows, columns = matrix_shape(shape)
    count = d.nonzeros(rows)
    matrix = weight.zero_().view(rows, columns)
    alive = np.zeros(rows, dtype=np.bool_)
    step = max(1, PIECE // rows)

    def fill(first: int) -> None:
        last = min(first + step, columns)
        places = _places(rows, first, last, count, stream)
        alive[places] = True
        values = torch.empty(places.shape, dtype=_wide(weight))
        write(values.view(-1), normal, Normal(0.0, 1.0), stream, first * count)
        values = values.mul_(d.std).to(weight.dtype)
        matrix[:, first:last].scatter_(0, torch.from_numpy(places).T, values.T)

    spread(fill, range(0, columns, step))
    if not (d.dead_rows or alive.all()):
        _revive(matrix, count, stream)


def _wide(weight: Tensor) -> torch.dtype:
    """The dtype that a weight is computed in."""
    return torch.promote_types(weight.dtype, torch.float32)


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
    theorem 3.3 (SIAM Journal on Numerical Analysis 17). A QR factorization would spend as much
    again on finding such vectors. The sign makes the diagonal of R positive, without which the
    measure is not Haar's.

    The reflections of unit vectors V are applied at once as I - V S^-1 V', where S is the upper
    triangle of V' V with its diagonal halved. Joffrain, Low, Quintana-Ortí, van de Geijn and Van
    Zee 2006, Accumulating Householder transformations, revisited (ACM TOMS 32). Panels of columns
    are independent of each other, and cut by shape alone.

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


def _places(rows: int, first: int, last: int, count: int, stream: Stream) -> NDArray[np.int64]:
    """For each of some columns `count` different rows, every choice as likely, in order.

    Returns:
        [last - first, count].
    """
    if count == rows:
        return np.tile(np.arange(rows), (last - first, 1))
    words = stream.for_purpose("places").words(first * rows, last * rows)
    return _smallest(words.reshape(last - first, rows), count)


def _smallest(words: NDArray[np.uint32], count: int) -> NDArray[np.int64]:
    """For each row of `words` the places of its `count` smallest, in order: [len(words), count].

    Of equal words the first ones are taken. As words are uniform, how many lie below the place
    where the largest one to take should be tells where it is, give or take a few. Only those few
    are sorted; all words are, where that misses a row, which is rare.
    """
    rows, length = words.shape
    # NumPy finds the true ones without branches, and so faster, if more than a tenth are true.
    padded = np.ones(words.size + words.size // 8, dtype=np.bool_)
    chosen = padded[: words.size].reshape(words.shape)
    gap = 2**32 / length
    below = _true_counts(words <= min(round(count * gap), 2**32 - 1))
    for margin in (6 * count**0.25 + 20, 3 * length):
        middle = (2 * count - below) * gap
        ends = (np.clip(middle + side * gap, 0, 2**32 - 1) for side in (-margin, margin))
        low, high = (end.astype(np.uint32)[:, None] for end in ends)
        np.less(words, low, out=chosen)
        # Below `low` the difference wraps around.
        near = np.flatnonzero(words - low <= high - low)
        row = near // length
        sizes = np.bincount(row, minlength=rows)
        missing = count - _true_counts(chosen)
        if np.all((missing > 0) & (missing <= sizes)):
            break
    # In the order of rows, then words, then places; no two are equal.
    keys = (row << 32 | words.ravel()[near]) * length + (near - row * length)
    largest = np.sort(keys)[np.cumsum(sizes) - sizes + missing - 1]
    padded[near[keys <= np.repeat(largest, sizes)]] = True
    places = np.flatnonzero(padded)[: rows * count].reshape(rows, count)
    places -= np.arange(rows)[:, None] * length
    return places


def _true_counts(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many of each row are true."""
    # Twice as fast as a sum of booleans, which NumPy takes as numbers of 64 bits.
    counts = flags.view(np.uint8).sum(axis=1, dtype=np.uint32)
    return np.asarray(counts, dtype=np.int64)


def _revive(matrix: Tensor, count: int, stream: Stream) -> None:
    """Move elements from rows that have several to rows that have none, within their column.

    Elements are visited in random order, and once: one that was its row's last stays so.
    """
    rows, columns = matrix.shape
    step = max(1, PIECE // rows)
    counts = np.zeros(rows, dtype=np.int64)
    for first in range(0, columns, step):
        places = _places(rows, first, min(first + step, columns), count, stream)
        counts += np.bincount(places.ravel(), minlength=rows)
    dead = list(np.flatnonzero(counts == 0))
    for elements in _shuffled(columns * count, 2 * len(dead), stream.for_purpose("revival")):
        for element, row in zip(elements, _rows_of(elements, rows, count, stream), strict=True):
            if not dead:
                return
            if counts[row] > 1:
                counts[row] -= 1
                column, new = int(element) // count, dead.pop()
                matrix[new, column] = matrix[row, column]
                matrix[row, column] = 0


def _shuffled(count: int, few: int, stream: Stream) -> Iterator[NDArray[np.int64]]:
    """The numbers below `count` in the order of their words, about `few` at first, then more."""
    low, gap = 0, max(1, (few << 32) // count)
    while low < 1 << 32:
        high = min(low + gap, 1 << 32)
        numbers, words = [], []
        for start in range(0, count, PIECE):
            piece = stream.words(start, min(start + PIECE, count))
            near = np.flatnonzero((piece >= low) & (piece <= high - 1))
            numbers.append(start + near)
            words.append(piece[near])
        order = np.argsort(np.concatenate(words), kind="stable")
        yield np.concatenate(numbers)[order]
        low, gap = high, 2 * gap


def _rows_of(
    elements: NDArray[np.int64], rows: int, count: int, stream: Stream
) -> NDArray[np.int64]:
    """The rows that elements were given, which are counted column by column."""
    columns, within = np.divmod(elements, count)
    found = np.empty_like(elements)
    for column in np.unique(columns):
        here = columns == column
        found[here] = _places(rows, int(column), int(column) + 1, count, stream)[0, within[here]]
    return found
