"""What the verdicts are worth, for benchmarks/verdict.py: figures of recipes that were trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from verdict_recipes import Drawn, drawn
from verdict_trials import Json

from seobuilder.report.model import Finding
from seobuilder.report.probes import RehearsalRecord
from seobuilder.report.score import UNHEALTHY, score

CLOSE = 0.9
"""Share of the best loss reduction of its size and body from which on a recipe trains."""


@dataclass(frozen=True)
class Judged:
    """A recipe, what was found in it, and what became of it, drawn and fixed.

    `share` is the loss reduction of its best rate by the best of its size and body, and
    `fixed_share` that of the recipe that `seobuild fix` made of it.
    """

    drawn: Drawn
    findings: tuple[Finding, ...]
    rehearsal: tuple[RehearsalRecord, ...]
    share: float
    fixed_share: float
    named: bool | None

    @property
    def score(self) -> float:
        """The report's."""
        return score(self.findings, self.rehearsal)

    @property
    def codes(self) -> set[str]:
        """What was found."""
        return {finding.code for finding in self.findings if finding.severity != "info"}

    @property
    def falls_short(self) -> bool:
        """Whether it does not train as well as it should."""
        return self.share < CLOSE

    @property
    def is_called_unhealthy(self) -> bool:
        """The score's verdict; a report's own is also unhealthy for any error."""
        return self.score >= UNHEALTHY

    @property
    def miss(self) -> float:
        """How far the score is from the outcome, from 0 to 1."""
        return self.score if not self.falls_short else 1 - self.score


def judged(results: Sequence[Json], trainings: Mapping[str, Sequence[float]]) -> list[Judged]:
    """Every recipe with its outcome."""
    recipes = [drawn(result["seed"], result["number"]) for result in results]
    best: dict[tuple[str, str], float] = {}
    for one, result in zip(recipes, results, strict=True):
        group = one.body, one.size
        best[group] = max(best.get(group, 0.0), *trainings[result["key"]])
    return [
        Judged(
            one,
            tuple(Finding(**entry) for entry in result["findings"]),
            tuple(RehearsalRecord(**entry) for entry in result["rehearsal"]),
            max(trainings[result["key"]]) / best[one.body, one.size],
            max(trainings[result["fixed"]]) / best[one.body, one.size],
            result["named"],
        )
        for one, result in zip(recipes, results, strict=True)
    ]


def auc(short: Sequence[float], fine: Sequence[float]) -> float | None:
    """Chance that one that falls short scores higher than one that trains; equal ones count half.

    None where one side is empty. Hanley and McNeil 1982, The meaning and use of the area under a
    receiver operating characteristic (ROC) curve.
    """
    if not short or not fine:
        return None
    wins = sum((bad > good) + (bad == good) / 2 for bad in short for good in fine)
    return wins / (len(short) * len(fine))


def area(models: Sequence[Judged], scores: Sequence[float]) -> float | None:
    """The area under the curve of some scores of models."""
    short = [each for model, each in zip(models, scores, strict=True) if model.falls_short]
    fine = [each for model, each in zip(models, scores, strict=True) if not model.falls_short]
    return auc(short, fine)


def curve(models: Sequence[Judged], scores: Sequence[float]) -> list[tuple[float, float]]:
    """Share of false alarms and share found, by falling threshold, from (0, 0) to (1, 1).

    The diagonal where one side is empty, which says nothing.
    """
    short = sum(model.falls_short for model in models)
    if short in (0, len(models)):
        return [(0.0, 0.0), (1.0, 1.0)]
    points = [(0.0, 0.0)]
    for level in sorted(set(scores), reverse=True):
        called = [m for m, each in zip(models, scores, strict=True) if each >= level]
        found = sum(model.falls_short for model in called)
        points.append(((len(called) - found) / (len(models) - short), found / short))
    return points


@dataclass(frozen=True)
class Check:
    """A check by itself: how often it speaks, its curve, and what it adds to the others."""

    code: str
    told: int
    told_short: int
    area: float | None
    adds: float | None
    points: list[tuple[float, float]] = field(default_factory=list)


def _scores(models: Sequence[Judged], counts: Callable[[str], bool]) -> list[float]:
    """The score of each model by some codes; the rehearsal's, H029, also where it was passed."""
    return [
        score(
            (finding for finding in model.findings if counts(finding.code)),
            model.rehearsal if counts("H029") else (),
        )
        for model in models
    ]


def checks(models: Sequence[Judged]) -> list[Check]:
    """Every code that was found, in order."""
    rehearsed = {"H029" for model in models if model.rehearsal}
    codes = sorted(rehearsed.union(*(model.codes for model in models)))
    whole = area(models, [model.score for model in models])
    found = []
    for code in codes:
        alone = _scores(models, lambda each, code=code: each == code)
        others = _scores(models, lambda each, code=code: each != code)
        without = area(models, others)
        told = [model for model in models if code in model.codes]
        found.append(
            Check(
                code,
                len(told),
                sum(model.falls_short for model in told),
                area(models, alone),
                None if whole is None or without is None else whole - without,
                curve(models, alone),
            )
        )
    return found


def share(flags: Sequence[bool]) -> str:
    """`19 of 20 (95 %)`."""
    return f"{sum(flags)} of {len(flags)}" + (f" ({sum(flags) / len(flags):.0%})" if flags else "")
