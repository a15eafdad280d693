"""Singular values of a weight, read as matrices."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seobuilder.init.threads import Spread, one_thread, sharing
from seobuilder.planning.distributions import (
    DeltaOrthogonal,
    Distribution,
    Normal,
    Orthogonal,
    TruncatedNormal,
    Uniform,
)
from seobuilder.planning.model import Parameter
from seobuilder.report.parameters import Spectrum, Statistics

Edges = tuple[float, float]

EXACT = 1 << 33
"""Multiplications of a Gram matrix up to which all singular values are found: about a second."""

LANCZOS_ERROR = 0.02
"""Relative error of the largest singular value where only that is found, unless less is asked."""

VALUES = 64
"""Singular values, or quantiles of them, that a record holds at most."""


class _Effort(NamedTuple):
    """Vectors that the Lanczos method begins with, the fewest products with them, and how far up
    its bracket the estimate lies."""

    vectors: int
    fewest: int
    share: float = 0.75  # without a gap the bracket's lower end lags behind its upper one


# One vector may lie nearly across the singular vector of a value that stands alone above the
# others, and then misses it; several don't. Where a distribution is declared none stands alone.
_ONE, _SEVERAL = _Effort(1, 4), _Effort(8, 3)

# Width of the bracket at which it stops, by the error that is asked for. With fewer products it
# stops only where nothing is left to find.
_WIDTH, _NOTHING = 1.25, 0.01

_WIDE = torch.float64

# Elements of one thread's share, about, and of one product.
_PART, _BLOCK = 1 << 22, 1 << 19


def as_matrices(
    weight: Tensor, parameter: Parameter | None = None, distribution: Distribution | None = None
) -> Tensor:
    """A weight of two axes or more as the matrices [number, rows, columns] that it consists of.

    Without a parameter that is one matrix: rows are axis 0, columns all others. The gates of a
    recurrent weight, the groups of a convolution, and what an orthogonal rule draws by itself are
    matrices of their own. Rows are outputs, also of a transposed convolution. Of a delta-orthogonal
    weight, whose other taps are zero, it is the one at the centre.
    """
    if isinstance(distribution, DeltaOrthogonal):
        for size in weight.shape[2:]:
            weight = weight.select(2, size // 2)
        return weight.unsqueeze(0)
    if isinstance(distribution, Orthogonal):
        return weight.reshape(distribution.blocks, -1, weight[0].numel())
    if parameter is None:
        return weight.reshape(1, len(weight), -1)
    number = parameter.blocks * parameter.groups
    grouped = weight.reshape(number, -1, *weight.shape[1:])
    if parameter.is_transposed:
        grouped = grouped.transpose(1, 2)
    return grouped.flatten(2)


def declared_edges(distribution: Distribution | None, shape: tuple[int, int]) -> Edges | None:
    """The ends of the singular values that the distribution predicts for a matrix of that shape.

    Independent elements of mean 0 have sqrt(rows) +- sqrt(columns) times their standard deviation
    in the limit of large matrices: Marchenko and Pastur 1967, "Distribution of eigenvalues for some
    sets of random matrices". None where nothing is predicted.
    """
    match distribution:
        case Orthogonal(gain=gain) | DeltaOrthogonal(gain=gain):
            return abs(gain), abs(gain)
        case Normal() | Uniform() | TruncatedNormal():
            mean, std = distribution.moments(shape)
            if mean != 0:
                return None
            long, short = sqrt(max(shape)), sqrt(min(shape))
            return std * (long - short), std * (long + short)
        case _:
            return None


@torch.no_grad()
def spectrum(
    matrices: Tensor,
    measured: Statistics,
    edges: Edges | None = None,
    error: float = LANCZOS_ERROR,
    exact: int | None = None,
) -> Spectrum | None:
    """Singular values of matrices [number, rows, columns], those of all matrices together.

    Up to `exact` multiplications, number x rows x columns x min(rows, columns), all are found, as
    roots of the eigenvalues of the smaller Gram matrix in float64: to 1e-8 of the largest one, and
    the largest to about 1e-15. Beyond, only the largest is, by the block Lanczos method: Golub and
    Underwood 1977, The block Lanczos method for computing eigenvalues; from a random block, Musco
    and Musco 2015, arXiv:1504.05477. It reads the matrix once for each product in float32, 3 to 10
    times for `LANCZOS_ERROR`. With `edges` it trusts that no value stands alone above the others:
    one that does, by a tenth or less, may then be missed.

    Args:
        matrices: see `as_matrices`.
        measured: the statistics of their elements.
        edges: see `declared_edges`.
        error: relative error of the largest that is good enough where only that is found.
        exact: multiplications up to which all are, `EXACT` unless given.

    Returns:
        None if there is no element, or one is not finite.
    """
    number, rows, columns = matrices.shape
    if measured.finite < measured.count or matrices.numel() == 0:
        return None
    assert measured.min is not None and measured.max is not None
    scale = max(-measured.min, measured.max)
    short = min(rows, columns)
    limit = EXACT if exact is None else exact
    is_exact = scale == 0 or number * rows * columns * short <= limit
    if scale == 0:
        values = np.zeros(number * short)
    elif is_exact:
        values = _all_values(matrices, scale)
    else:
        effort = _SEVERAL if edges is None else _ONE
        values = np.array([max(_largest(matrix, scale, error, effort) for matrix in matrices)])
    return Spectrum(
        rows=rows,
        columns=columns,
        largest=float(values[0]),
        smallest=float(values[-1]) if is_exact else None,
        method="exact" if is_exact else "lanczos",
        error=1e-14 if is_exact else error,
        values=tuple(map(float, _quantiles(values))) if is_exact else (),
        edges=edges,
    )


def _all_values(matrices: Tensor, scale: float) -> NDArray[np.float64]:
    """Singular values in falling order."""
    tall = matrices if matrices.shape[1] >= matrices.shape[2] else matrices.mT
    number, _, short = tall.shape
    gram = torch.zeros(number, short, short, dtype=torch.float64)
    with one_thread():  # sums of a product are split by thread, and their last digits with them
        for block in torch.split(tall, max(short, _BLOCK // (number * short)), dim=1):
            # Squares of small weights would underflow, those of large ones overflow.
            wide = block.to("cpu", torch.float64) / scale
            gram.baddbmm_(wide.mT, wide)
        squares = torch.linalg.eigvalsh(gram)
    falling = squares.flatten().sort(descending=True).values
    values: NDArray[np.float64] = falling.clamp_(min=0).sqrt_().mul_(scale).numpy()
    return values


def _quantiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    places = np.linspace(0, len(values) - 1, min(VALUES, len(values)))
    return np.take(values, places.round().astype(int))


def _largest(matrix: Tensor, scale: float, error: float, effort: _Effort) -> float:
    """The largest singular value of a matrix of any size, by products with blocks of its rows.

    The largest eigenvalue of its Gram matrix lies no lower than the largest Ritz value, and where
    that has converged no higher than the norm of its residual above it. A value between the two
    square roots is given, once they are near enough.
    """
    tall = matrix if len(matrix) >= matrix.shape[1] else matrix.mT
    short = tall.shape[1]
    # The start is random so that no singular vector is orthogonal to it, and always the same.
    generator = torch.Generator().manual_seed(0)
    start = torch.randn((min(effort.vectors, short), short), generator=generator, dtype=_WIDE)
    # Of equal size, so that no thread is left with one at the end.
    parts = torch.tensor_split(tall, max(1, round(tall.numel() / _PART)))
    with sharing(len(parts)) as spread:
        basis = images = start[:0]
        block = _orthonormal(start, basis)
        while True:
            basis = torch.cat([basis, block])
            images = torch.cat([images, _gram_product(parts, block, scale, spread)])
            squares, directions = torch.linalg.eigh(images @ basis.mT)
            square, direction = max(0.0, float(squares[-1])), directions[:, -1]
            residual = float((direction @ images - square * (direction @ basis)).norm())
            low, high = sqrt(square), sqrt(square + residual)
            width = _WIDTH if len(basis) >= effort.fewest * len(start) else _NOTHING
            if high - low <= width * error * high or len(basis) == short:
                return scale * (low + effort.share * (high - low))
            block = _orthonormal(images[-len(block) :], basis)


def _gram_product(parts: Sequence[Tensor], vectors: Tensor, scale: float, spread: Spread) -> Tensor:
    """Vectors [number, columns] times W'W / scale^2, W given as parts of its rows."""
    columns = vectors.shape[1]
    x = vectors.to(parts[0].device, torch.float32)

    def product(part: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for block in torch.split(part, max(1, _BLOCK // columns)):
            block = block.to(torch.float32)
            total.addmm_((x @ block.mT).div_(scale), block, alpha=1 / scale)
        return total

    return torch.stack(spread(product, parts)).to("cpu", _WIDE).sum(dim=0)


def _orthonormal(vectors: Tensor, basis: Tensor) -> Tensor:
    """What vectors [number, columns] add to an orthonormal basis, as a basis of its own.

    Once is not enough where they add little: what rounding left of the old one is then as large.
    """
    for _ in range(2):
        vectors = torch.linalg.qr((vectors - (vectors @ basis.mT) @ basis).mT).Q.mT
    return vectors[: basis.shape[1] - len(basis)]
