"""How one model trains under several initializations, and what its report says before.

    python benchmarks/initializations.py [--data ../shared/data] [--steps 400] [--write]

The recipe of banking77 in benchmarks/recipes/, with a tenth of its training rows held out, whose
accuracy is shown. Every initialization meets the same rows in the same order. `--write` puts the
table and the curves into docs/initializations_compared.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
from measure import DOCS, machine, write_table
from training import DATA, ROWS, prepare

from seobuilder.comparison import variant
from seobuilder.recipe.load import load_recipe
from seobuilder.report.text import headline, number
from seobuilder.report.training import TrainingRecord
from seobuilder.training.run import Training

PAGE = DOCS / "initializations_compared.md"
CURVES = PAGE.with_suffix(".svg")
LOOKS = 8
SMOOTH = 0.9
"""Share of the curve's last point that a drawn loss keeps: single batches vary a lot."""

INITIALIZATIONS = {
    "kaiming": "method: kaiming_normal, nonlinearity: relu",
    "xavier": "method: xavier_uniform",
    "orthogonal": "method: orthogonal",
    "torch's default": "torch_default",
    "std 1": "method: normal, std: 1.0",
}


@dataclass(frozen=True)
class Outcome:
    """One initialization: what the report says before training, and what came of it."""

    name: str
    verdict: str
    finding: str
    record: TrainingRecord

    @property
    def accuracies(self) -> tuple[list[int], list[float]]:
        """Steps, and the accuracy of the validation rows after them."""
        seen = [each for each in self.record.evaluations if each.split == "validation"]
        values = [each.figures["intent.accuracy"] for each in seen]
        return [each.step for each in seen], [value for value in values if value is not None]

    @property
    def losses(self) -> tuple[list[int], list[float]]:
        """Steps, and the loss of their batches, smoothed."""
        steps, smooth = [], []
        for point in self.record.curve:
            if point.loss is not None:
                last = smooth[-1] if smooth else point.loss
                steps.append(point.step)
                smooth.append(SMOOTH * last + (1 - SMOOTH) * point.loss)
        return steps, smooth


def outcomes(data: Path, steps: int) -> Iterator[Outcome]:
    """Every initialization in turn."""
    changes = [
        f"training.steps={steps}",
        f"training.evaluate_steps={max(steps // LOOKS, 1)}",
        "training.validation=0.1",
        "training.log_steps=1",
        "training.monitors.stop=false",  # a bad beginning is to be seen to its end
    ]
    with TemporaryDirectory() as folder:
        (row,) = (row for row in ROWS if row.name == "banking77")
        loaded = load_recipe(prepare(row, data, Path(folder)), changes)
        for name, initialization in INITIALIZATIONS.items():
            training = Training(variant(loaded, initialization))
            report = training.building.report  # of the model before it is trained
            found = [*report.issues, *report.warnings]
            finding = f"{found[0].code}: {found[0].message}" if found else ""
            verdict = headline(report).partition(": ")[2]
            yield Outcome(name, verdict, finding, training.run(None).record)


def table(found: Sequence[Outcome]) -> Iterator[str]:
    """The lines of the table, and the picture."""
    middle, last = LOOKS // 4 - 1, -1
    at = [found[0].accuracies[0][index] for index in (middle, last)]
    steps = found[0].record.steps
    yield f"{machine()} {steps} steps, {found[0].record.rows['validation']:,} validation rows."
    yield ""
    yield (
        "| initialization | report, before training | first loss | "
        + f"loss at step {steps} | "
        + " | ".join(f"accuracy at {step}" for step in at)
        + " |"
    )
    yield "|---|---|---:|---:|---:|---:|"
    for outcome in found:
        _, losses = outcome.losses
        _, accuracies = outcome.accuracies
        figures = [number(losses[0]), number(losses[-1])]
        figures += [f"{accuracies[index]:.3f}" for index in (middle, last)]
        yield f"| {outcome.name} | {outcome.verdict} | {' | '.join(figures)} |"
    yield ""
    for outcome in found:
        if outcome.finding:
            yield f"- {outcome.name}: {outcome.finding}"
    yield ""
    yield f"![Loss and validation accuracy by step]({CURVES.name})"


def draw(found: Sequence[Outcome], path: Path) -> None:
    """The curves of loss and accuracy, side by side."""
    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "seobuilder", "path.simplify": True}
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for outcome in found:
        left.plot(*outcome.losses, label=outcome.name, linewidth=1.2)
        right.plot(*outcome.accuracies, label=outcome.name, linewidth=1.2, marker=".")
    left.set(xlabel="step", ylabel="loss, smoothed", yscale="log")
    right.set(xlabel="step", ylabel="validation accuracy", ylim=(0, 1))
    right.legend(frameon=False, fontsize="small")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
    text = path.read_text(encoding="utf-8")
    path.write_text("".join(f"{line.rstrip()}\n" for line in text.splitlines()), encoding="utf-8")


def main() -> None:
    """Train, print, and write if asked to."""
    parser = argparse.ArgumentParser(description="Train banking77 under several initializations.")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    arguments = parser.parse_args()
    found = []
    for outcome in outcomes(arguments.data, arguments.steps):
        _, accuracies = outcome.accuracies
        print(f"{outcome.name}: {outcome.verdict}; accuracy {accuracies[-1]:.3f}", flush=True)
        found.append(outcome)
    lines = list(table(found))
    print("\n".join(lines))
    if arguments.write:
        write_table(PAGE, Path(__file__).name, lines)
        draw(found, CURVES)


if __name__ == "__main__":
    main()
