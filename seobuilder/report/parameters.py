"""What the report says of each parameter."""

from __future__ import annotations

from typing import Literal

from seobuilder.report.record import Items, Number, Pair, Record


class Statistics(Record):
    """What one tensor holds.

    `count` is every element; `nan` and `inf` are left out of all the other numbers, which are None
    if nothing finite is left, or if they exceed float64. `std` is that of the population (divided
    by n), `l1` and `l2` are norms, `zeros` counts elements that are exactly zero.
    """

    count: int
    mean: Number
    std: Number
    min: Number
    max: Number
    l1: Number
    l2: Number
    zeros: int
    nan: int
    inf: int

    @property
    def finite(self) -> int:
        """Elements that are neither NaN nor infinite."""
        return self.count - self.nan - self.inf

    @property
    def sparsity(self) -> float | None:
        """Share of zeros among the finite elements; None if there is none."""
        return self.zeros / self.finite if self.finite else None


class Histogram(Record):
    """Finite elements counted in equal bins from `low` to `high`.

    `expected` are the counts that the declared distribution predicts, None where it predicts none.
    """

    low: float
    high: float
    counts: Items[int]
    expected: Items[float] | None


class Spectrum(Record):
    """Singular values of a weight, read as a matrix [rows, columns] (of a gate, a group or a head).

    `error` bounds the relative error of `largest` by `method`, unless one value stands alone above
    the others where `edges` predict none to, and `method` is lanczos. `values` run from the largest
    to the smallest: all of them, or quantiles where there are many, or none where `method` finds
    only the largest. `edges` are the ends that the declared distribution predicts: Marchenko and
    Pastur's for independent elements, twice the gain for an orthogonal matrix; None where it
    predicts none.
    """

    rows: int
    columns: int
    largest: Number
    smallest: Number
    method: Literal["exact", "lanczos"]
    error: Number
    values: Items[float]
    edges: Pair[float] | None


class RuleRecord(Record):
    """A rule: where it stands (`file:line`, without folders), how it reads, and its preset."""

    place: str
    text: str
    preset: str | None = None


class ParameterRecord(Record):
    """One parameter: the rule that decided it, and the tensor that came of it.

    `stored` and `aliases` are the other names it has; `declared_mean` and `declared_std` are None
    where the rule declares no distribution. `gain_convention` says whose gain for the nonlinearity
    it is. `losing` are rules that matched but came later. A model that no recipe made has no
    method, declaration or rule, and role and fans where its layers tell them.
    """

    name: str
    stored: Items[str]
    aliases: Items[str]
    shape: Items[int]
    dtype: str
    role: str | None
    layer: str
    method: str | None
    declared: str | None
    declared_mean: Number
    declared_std: Number
    measured: Statistics
    histogram: Histogram | None = None
    spectrum: Spectrum | None = None
    fan_in: int | float | None
    fan_out: int | float | None
    gain: Number
    gain_convention: str | None = None
    reparametrization: str | None
    rule: RuleRecord | None
    losing: Items[RuleRecord]
