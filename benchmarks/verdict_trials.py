"""One recipe before and after training, for benchmarks/verdict.py: its report, and its losses."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from training_data import CONVERSIONS
from verdict_recipes import Drawn, Fault, drawn

from seobuilder.fixing import fix
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.report.model import Finding, Report
from seobuilder.report.probes import RehearsalRecord
from seobuilder.stages import Building
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.run import Training

LABELS = 8
"""Intents that are told apart, so that a few seconds of training are enough to learn them."""

RATES = (1e-3, 4e-3, 1.6e-2)
STEPS, ROWS = 300, 16
LAST = 30
"""Steps at the end whose mean loss is the outcome."""

GUESSING = log(LABELS)

Json = dict[str, Any]


def prepare_data(source: Path, folder: Path) -> str:
    """Rows of some intents, of clinc150's JSON or of a CSV with text and category; their digest."""
    if source.suffix == ".json":
        CONVERSIONS["clinc150"](source.parents[1], folder)
        source = folder / "train.csv"
    with source.open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    names = sorted({name for _, name in rows}, key=_digest)[:LABELS]
    rows = [(text, name) for text, name in rows if name in names]
    for part, some in (("train", rows), ("test", rows[:1])):  # a test that nobody looks at
        with (folder / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "category"), *some])
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in sorted(names)))
    return _digest(json.dumps([rows, RATES, STEPS, ROWS, LAST]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Trial:
    """What is to be done for a recipe, where the data are, and the trainings that are known."""

    seed: int
    number: int
    folder: Path
    data: str
    known: dict[str, list[float]]

    def key(self, text: str, fault: Fault | None) -> str:
        """Names the trainings of a model."""
        planted = fault.place if fault is not None and fault.is_planted else ""
        return _digest(json.dumps([text, planted, self.data]))

    def run(self) -> tuple[Json, dict[str, list[float]]]:
        """What came out, and the trainings that were not known."""
        torch.set_num_threads(1)
        one = drawn(self.seed, self.number)
        fixed = fix(self._load(one.text), TRAINING)
        text = next(iter(fixed.after.values()), one.text.encode()).decode()
        trainings = {self.key(*model): model for model in ((one.text, one.fault), (text, None))}
        new = {
            key: [self.reduction(*model, rate) for rate in RATES]
            for key, model in trainings.items()
            if key not in self.known
        }
        before = () if one.sound is None else self.report(one.sound).findings
        report = self.report(one.text, one.fault)
        result = {
            "number": self.number,
            "key": self.key(one.text, one.fault),
            "findings": [_short(each) for each in report.findings],
            "rehearsal": [each.model_dump(mode="json") for each in _rehearsal(report)],
            "named": is_named(one, report.findings, before),
            "fixed": self.key(text, None),
            "left": [_short(each) for each in fixed.left],
        }
        return result, new

    def report(self, text: str, fault: Fault | None = None) -> Report:
        """The report of a model before training, with the fault in it."""
        building = Building(self._load(text))
        if fault is not None:
            fault.plant(building.model)
        return building.report

    def reduction(self, text: str, fault: Fault | None, rate: float) -> float:
        """How far below that of guessing training at a rate brings the loss, in nats, or 0."""
        training = Training(self._load(text, f"training.optimizer.learning_rate={rate}"))
        if fault is not None:
            fault.plant(training.building.model)
        heard = Losses()
        training.run(None, [heard])
        last = fmean(heard.losses[-LAST:])
        return max(0.0, GUESSING - last) if isfinite(last) else 0.0

    def _load(self, text: str, *changes: str) -> LoadedRecipe:
        file = self.folder / "drawn.yaml"
        return parse_recipe(text.encode(), str(file), self.folder, [*TRAINING, *changes])


TRAINING = (
    f"training.steps={STEPS}",
    f"training.batch.rows={ROWS}",
    "training.monitors=false",
    "training.seed=0",
)
"""What all trainings share: the same batches in the same order."""


def is_named(one: Drawn, found: Sequence[Finding], before: Sequence[Finding]) -> bool | None:
    """Whether a finding that the recipe has by its fault alone names the fault's place or line.

    None without a fault. A place within that of the fault is named as well as the place itself.
    """
    if one.fault is None:
        return None
    place, line = one.fault.place, f":{one.fault.line}"
    known = {(each.code, each.place) for each in before}
    return any(
        each.place == place
        or each.place.startswith(f"{place}.")
        or (each.rule or "").endswith(line)
        for each in found
        if (each.code, each.place) not in known and each.severity != "info"
    )


def _rehearsal(report: Report) -> tuple[RehearsalRecord, ...]:
    return report.probes.rehearsal if report.probes else ()


def _short(finding: Finding) -> Json:
    keys = {"code", "severity", "place", "message", "measured", "expected", "rule"}
    return finding.model_dump(mode="json", include=keys)


class Losses(Callback):
    """The loss of each step."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self.losses: list[float] = []

    def on_step(self, state: State) -> None:
        """Keep the loss."""
        assert state.loss is not None
        self.losses.append(state.loss.item())
