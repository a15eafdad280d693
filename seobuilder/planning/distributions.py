"""What a rule draws: one frozen description for each family of distributions.

A description holds numbers alone. It knows the moments that it declares, so that the plan, the
sampler and the report all read the same ones. A weight of more than two axes is read as a matrix
with rows = axis 0 and columns = all other axes, flattened.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, exp, isfinite, pi, prod, sqrt
from typing import ClassVar

Moments = tuple[float, float]
"""Mean and standard deviation of an element, expected over the whole tensor."""


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a weight read as a matrix: axis 0, and the product of all others."""
    assert len(shape) >= 2, f"a matrix needs two axes or more, got shape {shape}"
    return shape[0], prod(shape[1:])


@dataclass(frozen=True, slots=True)
class Constant:
    """Every element is `value`."""

    family: ClassVar[str] = "constant"
    value: float

    def moments(self, shape: tuple[int, ...]) -> Moments:
        """Mean and standard deviation of an element."""
        return self.value, 0.0

    def describe(self) -> str:
        """Short text, such as `constant(1)`."""
        return f"constant({_number(self.value)})"


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform on the interval from `low` to `high`."""

    family: ClassVar[str] = "uniform"
    low: float
    high: float

    def __post_init__(self) -> None:
        assert self.low <= self.high, f"uniform needs low <= high, got {self.low}, {self.high}"

    def moments(self, shape: tuple[int, ...]) -> Moments:
        """Mean and standard deviation of an element."""
        return (self.low + self.high) / 2, (self.high - self.low) / sqrt(12)

    def describe(self) -> str:
        """Short text, such as `uniform(-0.0625, 0.0625)`."""
        return f"uniform({_number(self.low)}, {_number(self.high)})"


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal with the given mean and standard deviation."""

    family: ClassVar[str] = "normal"
    mean: float
    std: float

    def __post_init__(self) -> None:
        assert self.std >= 0, f"normal needs std >= 0, got {self.std}"

    def moments(self, shape: tuple[int, ...]) -> Moments:
        """Mean and standard deviation of an element."""
        return self.mean, self.std

    def describe(self) -> str:
        """Short text, such as `normal(0, 0.02)`."""
        return f"normal({_number(self.mean)}, {_number(self.std)})"


@dataclass(frozen=True, slots=True)
class TruncatedNormal:
    """Normal, cut at both ends and scaled so that `mean` and `std` hold after the cut.

    `cut_low` and `cut_high` are counted in standard deviations of the parent, the normal before
    the cut. The absolute ends are `low` and `high`. Moments of the cut standard normal: Johnson,
    Kotz and Balakrishnan 1994, Continuous Univariate Distributions, volume 1, chapter 13,
    section 10.1.
    """

    family: ClassVar[str] = "truncated_normal"
    mean: float
    std: float
    cut_low: float = -2.0
    cut_high: float = 2.0

    def __post_init__(self) -> None:
        assert self.std >= 0, f"truncated_normal needs std >= 0, got {self.std}"
        assert isfinite(self.cut_low) and isfinite(self.cut_high), "cuts must be finite"
        assert self.cut_low < self.cut_high, "cut_low must be below cut_high"

    @property
    def parent_std(self) -> float:
        """Standard deviation of the normal before the cut."""
        return self.std / _cut_moments(self.cut_low, self.cut_high)[1]

    @property
    def parent_mean(self) -> float:
        """Mean of the normal before the cut."""
        return self.mean - self.parent_std * _cut_moments(self.cut_low, self.cut_high)[0]

    @property
    def low(self) -> float:
        """Smallest value."""
        return self.parent_mean + self.cut_low * self.parent_std

    @property
    def high(self) -> float:
        """Largest value."""
        return self.parent_mean + self.cut_high * self.parent_std

    def moments(self, shape: tuple[int, ...]) -> Moments:
        """Mean and standard deviation of an element."""
        return self.mean, self.std

    def describe(self) -> str:
        """Short text, such as `truncated_normal(0, 0.02, cut -2 to 2)`."""
        cut = f"cut {_number(self.cut_low)} to {_number(self.cut_high)}"
        return f"truncated_normal({_number(self.mean)}, {_number(self.std)}, {cut})"


@dataclass(frozen=True, slots=True)
class Identity:
    """`gain` on the main diagonal of each of `blocks` matrices stacked along axis 0, else zeros.

    A matrix may be rectangular.
    """

    family: ClassVar[str] = "identity"
    gain: float = 1.0
    blocks: int = 1

    def moments(self, shape: tuple[int, ...]) -> Moments:
        """Mean and standard deviation of an element, counted over the whole weight."""
        rows, columns = _block_shape(shape, self.blocks)
        return _share_moments(self.gain, min(rows, columns), rows * columns)

    def describe(self) -> str:
        """Short text, such as `identity(1)` or `identity(1, blocks 4)`."""
        return f"identity({_number(self.gain)}{_stacked(self.blocks)})"


@dataclass(frozen=True, slots=True)
class Dirac:
    """A convolution that passes its input on: ones at the centre tap of [out, in / groups, *k].

    Output channel j of each group copies input channel j of that group, as far as both exist.
    """

    family: ClassVar[str] = "dirac"
    groups: int = 1

    def __post_init__(self) -> None:
        assert self.groups >= 1, f"dirac needs one group or more, got {self.groups}"

    def moments(self, shape: tuple[int, ...]) -> Moments:
        """Mean and standard deviation of an element, counted over the whole weight."""
        ones = self.groups * min(shape[0] // self.groups, shape[1])
        return _share_moments(1.0, ones, prod(shape))

    def describe(self) -> str:
        """Short text, such as `dirac(groups 1)`."""
        return f"dirac(groups {self.groups})"


@dataclass(frozen=True, slots=True)
class Orthogonal:
    """`blocks` independent semi-orthogonal matrices, stacked along axis 0 and scaled by `gain`.

    Each is drawn from the Haar measure, so that an element has the standard deviation
    gain / sqrt(max(rows, columns)) of its own block. Saxe et al. 2014, arXiv:1312.6120.
    """

    family: ClassVar[str] = "orthogonal"
    gain: float = 1.0
    blocks: int = 1

    def __post_init__(self) -> None:
        assert self.blocks >= 1, f"orthogonal needs one block or more, got {self.blocks}"

    def block_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and columns of one block."""
        return _block_shape(shape, self.blocks)

    def moments(self, shape: tuple[int, ...]) -> Moments:
        """Mean and standard deviation of an element."""
        return 0.0, abs(self.gain) / sqrt(max(self.block_shape(shape)))

    def describe(self) -> str:
        """Short text, such as `orthogonal(1, blocks 4)`."""
        return f"orthogonal({_number(self.gain)}{_stacked(self.blocks)})"


@dataclass(frozen=True, slots=True)
class DeltaOrthogonal:
    """A semi-orthogonal [out, in] at the centre tap of a convolution [out, in, *k], else zeros.

    Every Fourier component then passes through the same semi-orthogonal matrix, so the norm of a
    signal is kept. Xiao et al. 2018, arXiv:1806.05393.
    """

    family: ClassVar[str] = "delta_orthogonal"
    gain: float = 1.0

    def moments(self, shape: tuple[int, ...]) -> Moments:
        """Mean and standard deviation of an element, the zero taps included."""
        return 0.0, abs(self.gain) / sqrt(max(shape[0], shape[1]) * prod(shape[2:]))

    def describe(self) -> str:
        """Short text, such as `delta_orthogonal(1)`."""
        return f"delta_orthogonal({_number(self.gain)})"


@dataclass(frozen=True, slots=True)
class Sparse:
    """Columns of few non-zero normal elements, the same exact count in each. Martens 2010.

    A column holds the weights that leave one input. `density` is the share of its elements that
    are not zero, `std` their standard deviation. Unless `dead_rows` is true, every row gets a
    non-zero element, so that no output unit is without input.
    """

    family: ClassVar[str] = "sparse"
    density: float
    std: float
    dead_rows: bool = False

    def __post_init__(self) -> None:
        assert 0 < self.density <= 1, f"sparse needs 0 < density <= 1, got {self.density}"
        assert self.std >= 0, f"sparse needs std >= 0, got {self.std}"

    def nonzeros(self, rows: int) -> int:
        """Non-zero elements of a column: the share of its rows, rounded, and one at least."""
        return max(1, round(self.density * rows))

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether there are enough non-zero elements for every row to get one, if it must."""
        rows, columns = matrix_shape(shape)
        return self.dead_rows or columns * self.nonzeros(rows) >= rows

    def moments(self, shape: tuple[int, ...]) -> Moments:
        """Mean and standard deviation of an element, the zeros included."""
        rows, _ = matrix_shape(shape)
        return 0.0, self.std * sqrt(self.nonzeros(rows) / rows)

    def describe(self) -> str:
        """Short text, such as `sparse(density 0.1, std 0.01)`."""
        dead = ", dead rows allowed" if self.dead_rows else ""
        return f"sparse(density {_number(self.density)}, std {_number(self.std)}{dead})"


@dataclass(frozen=True, slots=True)
class ForgetGate:
    """The bias of an LSTM, gates in torch's order i, f, g, o: `value` at f, zeros elsewhere.

    Gers, Schmidhuber and Cummins 2000, Learning to forget; Jozefowicz, Zaremba and Sutskever 2015,
    An empirical exploration of recurrent network architectures.
    """

    family: ClassVar[str] = "forget_gate"
    value: float

    def moments(self, shape: tuple[int, ...]) -> Moments:
        """Mean and standard deviation of an element, counted over all gates."""
        return _share_moments(self.value, 1, 4)

    def describe(self) -> str:
        """Short text, such as `forget_gate(1)`."""
        return f"forget_gate({_number(self.value)})"


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A tensor of a safetensors file, which is copied and not described here."""

    family: ClassVar[str] = "pretrained"
    file: str
    tensor: str

    def moments(self, shape: tuple[int, ...]) -> Moments | None:
        """Unknown: None."""
        return None

    def describe(self) -> str:
        """Short text, such as `loaded from words.safetensors: embeddings.weight`."""
        return f"loaded from {self.file}: {self.tensor}"


@dataclass(frozen=True, slots=True)
class Keep:
    """The layer's own default, which is not described here."""

    family: ClassVar[str] = "keep"

    def moments(self, shape: tuple[int, ...]) -> Moments | None:
        """Unknown: None."""
        return None

    def describe(self) -> str:
        """Short text."""
        return "keep"


Distribution = (
    Constant
    | Uniform
    | Normal
    | TruncatedNormal
    | Identity
    | Dirac
    | Orthogonal
    | DeltaOrthogonal
    | Sparse
    | ForgetGate
    | Pretrained
    | Keep
)


def _number(value: float) -> str:
    """Six significant digits without trailing zeros, and no negative zero."""
    return f"{value + 0.0:.6g}"


def _block_shape(shape: tuple[int, ...], blocks: int) -> tuple[int, int]:
    """Rows and columns of each of the matrices that are stacked along axis 0."""
    rows, columns = matrix_shape(shape)
    assert rows % blocks == 0, f"{rows} rows do not divide into {blocks} blocks"
    return rows // blocks, columns


def _stacked(blocks: int) -> str:
    """How many blocks there are, as the end of a description."""
    return f", blocks {blocks}" if blocks > 1 else ""


def _share_moments(value: float, hits: int, count: int) -> Moments:
    """Moments over `count` elements of which `hits` are `value` and the others zero."""
    share = hits / count
    return value * share, abs(value) * sqrt(share * (1 - share))


def _cut_moments(low: float, high: float) -> Moments:
    """Mean and standard deviation of a standard normal that is cut to [low, high]."""
    if high < 0:
        mean, std = _cut_moments(-high, -low)
        return -mean, std
    # Upper tails keep their precision where 1 - CDF would round to zero.
    mass = (erfc(low / sqrt(2)) - erfc(high / sqrt(2))) / 2
    density_low, density_high = (exp(-x * x / 2) / sqrt(2 * pi) for x in (low, high))
    mean = (density_low - density_high) / mass
    variance = 1 + (low * density_low - high * density_high) / mass - mean * mean
    return mean, sqrt(variance)
