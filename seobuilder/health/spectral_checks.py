"""Checks of singular values against what was declared."""

from __future__ import annotations

from math import log, prod, sqrt

from seobuilder.health.sampling import level
from seobuilder.health.subject import Subject, finding
from seobuilder.norm.reparametrization import TOLERANCE
from seobuilder.planning.distributions import DeltaOrthogonal, Orthogonal
from seobuilder.report.model import Finding
from seobuilder.report.parameters import ParameterRecord, Spectrum

EXACT_TOLERANCE = 1e-4
"""Share of the gain by which rounding may move a singular value of an orthogonal float32 matrix."""

SIGMA_ERROR = 1e-3
"""Relative error with which the divisor of a spectral norm is known."""

LARGE = 32
"""Rows and columns from which on the largest singular value follows Tracy and Widom's law."""


def check_spectrum(subject: Subject, tests: int) -> list[Finding]:
    """H008: an orthogonal matrix is not. H011: a singular value lies outside of the edges."""
    spectrum = subject.record.spectrum
    if spectrum is None or spectrum.edges is None or not subject.record.declared_std:
        return []
    if isinstance(subject.distribution, Orthogonal | DeltaOrthogonal):
        return _check_orthogonal(subject, spectrum)
    return _check_edges(subject, spectrum, tests)


def _check_orthogonal(subject: Subject, spectrum: Spectrum) -> list[Finding]:
    """The largest and the smallest eigenvalue of W' W bound |W' W - gain^2 I| from both sides.

    Rounding an element to its dtype moves it by half the resolution at most, and independent
    roundings of all of them a singular value by less than the resolution.
    """
    assert spectrum.edges is not None
    gain = spectrum.edges[0]
    ends = [v for v in (spectrum.largest, spectrum.smallest) if v is not None]
    residual = max(abs((value / gain) ** 2 - 1) for value in ends)
    tolerance = 2 * (max(EXACT_TOLERANCE, subject.resolution) + (spectrum.error or 0.0))
    if residual <= tolerance:
        return []
    return [
        finding(
            subject.record,
            "H008",
            "the matrix is not orthogonal: eigenvalues of its product with itself, over gain^2",
            measured=1 + residual,
            expected=1.0,
            tolerance=tolerance,
            suggestion="the tensor was changed after it was drawn",
        )
    ]


def _check_edges(subject: Subject, spectrum: Spectrum, tests: int) -> list[Finding]:
    """Beyond the edges by more than chance explains.

    For Gaussian elements of standard deviation s the largest singular value exceeds the edge by
    s t, and the smallest falls short of its by s t, with a chance of exp(-t^2 / 2) at most:
    Davidson and Szarek 2001, Local operator theory, random matrices and Banach spaces, theorem
    2.13. The largest of a large matrix stays much closer: its square scatters as Tracy and Widom's
    law of order 1, whose upper tail is below exp(-2/3 t^1.5). Johnstone 2001, On the distribution
    of the largest eigenvalue in principal components analysis, theorem 1.1 (Annals of Statistics
    29).
    """
    record = subject.record
    assert spectrum.edges is not None and record.declared_std is not None
    low, high = spectrum.edges
    std, error = record.declared_std, spectrum.error or 0.0
    matrices = prod(record.shape) // (spectrum.rows * spectrum.columns)
    chance = level(tests) / max(1, matrices)
    reach = std * sqrt(2 * log(1 / chance))
    above = reach
    if min(spectrum.rows, spectrum.columns) >= LARGE:
        above = min(reach, _tracy_widom(spectrum, std, chance))
    beyond = []
    if spectrum.largest is not None and spectrum.largest > high * (1 + error) + above:
        beyond.append(("largest", spectrum.largest, high, above + high * error))
    if spectrum.smallest is not None and spectrum.smallest < low - reach:
        beyond.append(("smallest", spectrum.smallest, low, reach))
    return [
        finding(
            record,
            "H011",
            f"the {which} singular value lies outside of what independent elements have",
            measured=measured,
            expected=edge,
            tolerance=tolerance,
            source="edges of Marchenko and Pastur 1967",
            suggestion="rows or columns depend on each other: the tensor was changed later",
        )
        for which, measured, edge, tolerance in beyond
    ]


def _tracy_widom(spectrum: Spectrum, std: float, chance: float) -> float:
    """How far above the upper edge the largest singular value may lie, by Tracy and Widom's law."""
    a, b = sqrt(spectrum.rows), sqrt(spectrum.columns)
    scale = (a + b) * (1 / a + 1 / b) ** (1 / 3)
    square = (a + b) ** 2 + scale * (1.5 * log(1 / chance)) ** (2 / 3)
    return std * (sqrt(square) - (a + b))


def check_spectral_norm(record: ParameterRecord, sigma: float, spectrum: Spectrum) -> list[Finding]:
    """H013: the sigma that spectral norm divides by is not the weight's, so that its quotient is
    off 1.

    Args:
        record: the parameter.
        sigma: u' W v of the stored vectors u and v.
        spectrum: that of the stored weight W, as spectral norm reads it.
    """
    if not spectrum.largest:
        return []
    # Where a build stops is decided in float32.
    tolerance = TOLERANCE + (spectrum.error or 0.0) + 1e-4
    if abs(sigma / spectrum.largest - 1) <= tolerance:
        return []
    return [
        finding(
            record,
            "H013",
            "the spectral norm that the weight is divided by is not its own",
            measured=sigma,
            expected=spectrum.largest,
            tolerance=tolerance * spectrum.largest,
            source="Miyato et al. 2018, equation 8",
            suggestion="load the singular vectors with the weight, or run in training mode",
        )
    ]
