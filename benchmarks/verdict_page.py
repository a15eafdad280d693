"""docs/evidence.md and its figures, for benchmarks/verdict.py."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from measure import DOCS, machine
from verdict_figures import CLOSE, Check, Judged, area, checks, curve, share
from verdict_recipes import BODIES, FAULTS
from verdict_trials import LABELS, LAST, RATES, ROWS, STEPS

from seobuilder.report.score import UNHEALTHY

FIGURES = "evidence"
"""The folder of the figures, beside the page."""

NOTES = Path(__file__).with_name("verdict_notes.json")
"""What a person makes of a miss, by seed and number of the recipe, `1/17`, and of other seeds."""

SEEDS = "seeds"

COLOURS = {"transformer": "#1f77b4", "conv": "#2ca02c", "recurrent": "#d62728", "mlp": "#9467bd"}
MISSES = 10


def write_page(models: Sequence[Judged], seed: int, source: str, docs: Path = DOCS) -> None:
    """The page, its figures, and what each check is worth, for the page of diagnostics."""
    folder = docs / FIGURES
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    held = [model for model in models if model.drawn.half == "held out"]
    every = checks(models)
    _scatter(held, folder / "scatter.svg")
    _roc({"held out": held, "tuned on": _other(models)}, folder / "roc.svg")
    for check in every:
        _small_roc(check, folder / f"{check.code}.svg")
    worth = {
        check.code: {
            "recipes": len(models),
            "told": check.told,
            "short": check.told_short,
            "area": _number(check.area),
            "adds": _number(check.adds, sign=True),
        }
        for check in every
    }
    (folder / "checks.json").write_text(json.dumps(worth, indent=2) + "\n", encoding="utf-8")
    text = "\n".join(page(models, held, every, seed, source)) + "\n"
    (docs / "evidence.md").write_text(text, encoding="utf-8")


def _notes() -> Mapping[str, str]:
    notes: Mapping[str, str] = json.loads(NOTES.read_text(encoding="utf-8"))
    return notes


def _other(models: Sequence[Judged]) -> list[Judged]:
    return [model for model in models if model.drawn.half != "held out"]


def page(
    models: Sequence[Judged], held: Sequence[Judged], every: Sequence[Check], seed: int, source: str
) -> Iterator[str]:
    """The lines of the page."""
    yield from (
        "# The verdict against the outcome",
        "",
        "What a report says of a model before training, held against how the model then trains. "
        f"`python benchmarks/verdict.py --seed {seed} --number {len(models)} --write` takes the "
        "figures again and makes this page; other seeds draw other recipes, and `--data` takes "
        "other texts.",
        "",
        f"{len(models)} recipes were drawn at random from seed {seed}: {', '.join(BODIES)}; 2 to "
        "32 layers; width, activation, initialization and gain, norms and their placement, and "
        "residual paths at random, so that many are odd. Every third round of eight has a planted "
        f"fault. Each was reported on, and then trained for {STEPS} steps of {ROWS} rows at "
        f"learning rates of {', '.join(f'{rate:g}' for rate in RATES)} with AdamW, on the same "
        f"batches of {LABELS} classes of {source}.",
        "",
        f"- **Outcome**: a recipe *trains* if the best of its rates brings the mean loss of the "
        f"last {LAST} steps within {1 - CLOSE:.0%} of the best reduction, from the loss of "
        "guessing, of its body and size (up to 8 layers, or more). Otherwise it *falls short*.",
        "- **Score**: the report's `score`, from its findings and from how 16 rows are learned by "
        f"heart before training (H029). The verdict is unhealthy from {UNHEALTHY:g} on.",
        "- **Halves**: the weights of the score, and the thresholds of checks, were tuned on every "
        "other round of eight recipes; figures are those of the other half where they say so.",
        "",
        machine(),
        "",
        "## Figures",
        "",
        *figures(models, held),
        "",
        _notes()[SEEDS],
        "",
        f"![Score and outcome of each recipe]({FIGURES}/scatter.svg)",
        "",
        f"![ROC curves of the score]({FIGURES}/roc.svg)",
        "",
        "## Checks",
        "",
        "Each check by itself, on all recipes: how often it spoke, how many of these fell short, "
        "the area under its own curve, and by how much the area of the score falls without it. "
        "[diagnostics.md](diagnostics.md) shows the curves.",
        "",
        "| check | told | of these fell short | area alone | adds |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {c.code} | {c.told} | {c.told_short} | {_number(c.area)} | "
            f"{_number(c.adds, sign=True)} |"
            for c in every
        ),
        "",
        f"## The {MISSES} worst misses",
        "",
        *misses(models, seed),
    )


def figures(models: Sequence[Judged], held: Sequence[Judged]) -> Iterator[str]:
    """The table of what was wanted and what was reached."""
    tuned = _other(models)
    yield "| figure | of | measured | at least | wanted |"
    yield "|---|---|---:|---:|---:|"
    for name, some in (("held out", held), ("tuned on", tuned)):
        found = area(some, [model.score for model in some])
        yield f"| area under the ROC curve | {name} | {_number(found)} | 0.90 | 0.95 |"
    right = [model.is_called_unhealthy == model.falls_short for model in held]
    yield f"| verdict agrees with the outcome | held out | {share(right)} | | |"
    for kind in (None, *FAULTS):
        named = [m.named for m in models if m.drawn.fault and kind in (None, m.drawn.fault.kind)]
        title = "planted faults named at their place" if kind is None else kind
        wanted = "95 %" if kind is None else ""
        if named:
            yield f"| {title} | all | {share([bool(each) for each in named])} | {wanted} | |"
    short = [model.fixed_share >= CLOSE for model in models if model.falls_short]
    told = [m.fixed_share >= CLOSE for m in models if m.falls_short and m.is_called_unhealthy]
    fine = [model.fixed_share >= CLOSE for model in models if not model.falls_short]
    yield f"| fell short, and train after `seobuild fix` | all | {share(short)} | 80 % | 90 % |"
    yield f"| of these, called unhealthy | all | {share(told)} | 80 % | 90 % |"
    yield f"| trained, and train after `seobuild fix` | all | {share(fine)} | 100 % | |"


def misses(models: Sequence[Judged], seed: int) -> Iterator[str]:
    """The recipes with a wrong verdict whose score is farthest off, with what explains it."""
    notes = _notes()
    wrong = [model for model in models if model.is_called_unhealthy != model.falls_short]
    ranked = sorted(wrong, key=lambda model: (-model.miss, -abs(model.share - CLOSE)))
    yield "| recipe | score | reached of the best | found | explanation |"
    yield "|---|---:|---:|---|---|"
    for model in ranked[:MISSES]:
        one = model.drawn
        what = f"{one.number}: {one.body}, {one.depth} layers"
        what += f", {one.fault.kind}" if one.fault else ""
        codes = sorted(model.codes)
        why = notes.get(f"{seed}/{one.number}") or explained(model)
        yield f"| {what} | {model.score:.2f} | {model.share:.0%} | {', '.join(codes)} | {why} |"


def explained(model: Judged) -> str:
    """What can be said of a miss without a person."""
    if not model.falls_short:
        return "A false alarm: it trains in spite of what was found."
    if model.share > CLOSE - 0.1:
        return "A near miss: what was found is small, and so is what it lacks."
    if not model.score:
        return "No check speaks of it, and it does not train as others of its size do."
    return "What was found weighs less than it meant for training."


def _number(value: float | None, *, sign: bool = False) -> str:
    return "" if value is None else f"{value:{'+' if sign else ''}.3f}"


# -- figures -------------------------------------------------------------------------------------


def _axes(width: float, height: float) -> tuple[Figure, matplotlib.axes.Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, file: Path) -> None:
    """The same bytes for the same figure."""
    with matplotlib.rc_context({"svg.hashsalt": "seobuilder", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})


def _scatter(models: Sequence[Judged], file: Path) -> None:
    figure, axes = _axes(7, 4)
    for body in BODIES:
        for is_faulty, mark in ((False, "o"), (True, "X")):
            some = [m for m in models if m.drawn.body == body and bool(m.drawn.fault) == is_faulty]
            axes.scatter(
                [model.score for model in some],
                [model.share for model in some],
                marker=mark,
                c=COLOURS[body],
                alpha=0.75,
                label=None if is_faulty else body,
            )
    axes.axhline(CLOSE, color="grey", linewidth=0.8, linestyle="--")
    axes.axvline(UNHEALTHY, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="score before training", ylabel="loss reduction, of the best")
    axes.set_title("Held-out recipes; a cross has a planted fault", fontsize=10)
    axes.legend(fontsize=8)
    _save(figure, file)


def _roc(sides: Mapping[str, Sequence[Judged]], file: Path) -> None:
    figure, axes = _axes(4.5, 4)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    for name, models in sides.items():
        scores = [model.score for model in models]
        found = area(models, scores)
        if found is not None:
            x, y = zip(*curve(models, scores), strict=True)
            axes.plot(x, y, marker=".", label=f"{name}: {found:.3f}")
    axes.set(
        xlabel="share of those that train, told", ylabel="share of those that fall short, told"
    )
    if len(axes.lines) > 1:
        axes.legend(fontsize=8, loc="lower right")
    _save(figure, file)


def _small_roc(check: Check, file: Path) -> None:
    figure, axes = _axes(3, 2.6)
    x, y = zip(*check.points, strict=True)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    axes.plot(x, y, marker=".")
    axes.set(xlabel="of those that train", ylabel="of those that fall short")
    axes.set_title(f"{check.code} alone", fontsize=9)
    _save(figure, file)
