"""Singular values of a weight, read as matrices."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from seobuilder.init.threads import one_thread, sharing
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

# Vectors that the Lanczos method works with. A spectrum without a gap takes about as many products
# as the coarse one has for `LANCZOS_ERROR`.
_COARSE_BASIS, _FINE_BASIS = 5, 20

# Elements of one thread's share, and of one product.
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
    the largest to about 1e-15. Beyond, only the largest is, by the Lanczos method of ARPACK. It
    reads the matrix once for each product in float32, 6 to 20 times for `LANCZOS_ERROR`. The
    estimate comes from below, and stops where its residual is no more than `error`.

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
        values = np.array([max(_largest(matrix, scale, error) for matrix in matrices)])
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


def _largest(matrix: Tensor, scale: float, error: float) -> float:
    """The largest singular value of a matrix of any size, by products with blocks of its rows."""
    tall = matrix if len(matrix) >= matrix.shape[1] else matrix.mT
    short = tall.shape[1]
    parts = torch.split(tall, max(1, _PART // short))
    step = max(1, _BLOCK // short)

    with sharing(len(parts)) as spread:

        def gram_product(vector: NDArray[np.float64]) -> NDArray[np.float64]:
            x = torch.from_numpy(vector.ravel()).to(tall.device, torch.float32)

            def product(part: Tensor) -> Tensor:
                total = torch.zeros_like(x)
                for block in torch.split(part, step):
                    block = block.to(torch.float32)
                    total.addmv_(block.mT, (block @ x).div_(scale), alpha=1 / scale)
                return total

            products = torch.stack(spread(product, parts))
            return np.asarray(products.double().sum(dim=0).cpu().numpy())

        # The start is random so that no singular vector is orthogonal to it, and always the same.
        start = np.random.default_rng(0).standard_normal(short)
        operator: Any = LinearOperator((short, short), matvec=gram_product, dtype=np.float64)
        (square,) = eigsh(
            operator,
            1,
            which="LA",
            v0=start,
            ncv=min(_COARSE_BASIS if error >= LANCZOS_ERROR else _FINE_BASIS, short),
            tol=2 * error,
            return_eigenvectors=False,
        )
    return scale * sqrt(max(0.0, float(square)))
