"""What a model in a build folder says of rows from elsewhere, and what that is worth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seobuilder.builder import load, recipe_of
from seobuilder.data.encode import Examples, load_examples
from seobuilder.data.split import Indices
from seobuilder.errors import DataError, EnvironmentProblem
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.outputs import OutputSpec
from seobuilder.training.batching import cut
from seobuilder.training.evaluation import evaluate
from seobuilder.training.feed import Feed, make_feed

LINES = 1024
"""Lines of standard input that are answered together."""

Answer = dict[str, Any]


class Asked:
    """A build folder's model, in evaluation mode, ready to answer."""

    def __init__(self, folder: Path) -> None:
        """Load it.

        Raises:
            BuildFolderError: the folder is missing, incomplete, or was changed.
        """
        self._recipe, self._tokenizers = recipe_of(folder)
        self._model = load(folder).eval()
        for name in self._recipe.token_inputs:
            if name not in self._tokenizers:
                raise EnvironmentProblem(
                    f"{folder}: {name} has no tokenizer: its recipe names none, and no data to "
                    "train one on"
                )

    @property
    def line_input(self) -> str | None:
        """The input that takes a line of text, if the model takes nothing else."""
        names = list(self._recipe.inputs)
        return names[0] if len(names) == 1 and names[0] in self._recipe.token_inputs else None

    def evaluate(self, file: Path) -> dict[str, float]:
        """Losses and metrics of the rows of a file that has the recipe's columns; NaN: undefined.

        Raises:
            DataError: it is invalid.
        """
        examples = self._read(file, self._recipe)
        feed = make_feed(self._recipe, examples, self._tokenizers)
        return evaluate(self._model, feed, np.arange(len(examples)))

    def answers(self, file: Path) -> Iterator[Answer]:
        """What the model says of each row of a file, which needs the inputs' columns only.

        Raises:
            DataError: it is invalid.
        """
        spec = self._recipe.data
        inputs = self._recipe.model_copy(update={"outputs": {}})
        ranks = any(output.kind == "ranking" for output in self._recipe.outputs.values())
        if spec is not None and not ranks:  # groups matter to ranks alone
            inputs = inputs.model_copy(update={"data": spec.model_copy(update={"group": None})})
        return self._answers(self._read(file, inputs))

    def answer_lines(self, lines: Iterable[str]) -> Iterator[Answer]:
        """What the model says of each line of text; see `line_input`."""
        name = self.line_input
        assert name is not None
        texts = (line.rstrip("\r\n") for line in lines)
        while some := list(islice(texts, LINES)):
            rows = np.arange(len(some))
            yield from self._answers(Examples(rows, rows[:0], texts={name: some}))

    def _read(self, file: Path, recipe: Recipe) -> Examples:
        """All rows of a file, read as the recipe's own data would be."""
        data = recipe.data
        if data is None:
            message = "the recipe has no `data` that says which column feeds what"
            raise DataError([Diagnostic("D100", message, path="data")])
        columns = {
            name: columns
            for name, columns in data.columns.items()
            if name in recipe.inputs or name in recipe.outputs
        }
        update = {"files": file.name, "split": None, "columns": columns, "streaming": None}
        here = recipe.model_copy(update={"data": data.model_copy(update=update)})
        return load_examples(here, file.parent)

    @torch.inference_mode()
    def _answers(self, examples: Examples) -> Iterator[Answer]:
        inputs = self._recipe.model_copy(update={"outputs": {}})
        feed = make_feed(inputs, examples, self._tokenizers)
        found = self._forward(feed)
        groups = examples.groups
        said = {
            name: _said(self._recipe.outputs[name], answer, groups)
            for name, answer in found.items()
        }
        for row in range(len(examples)):
            yield {name: answers[row] for name, answers in said.items()}

    def _forward(self, feed: Feed) -> dict[str, Tensor]:
        """The answers to all rows, in their order."""
        size = self._recipe.training.batch
        batches = cut(np.arange(len(feed.lengths)), feed.lengths, None, size)
        parts: dict[str, list[Tensor]] = {}
        for rows in batches:
            for name, answer in self._model(**feed.batch(rows).inputs).items():
                parts.setdefault(name, []).append(answer.float())
        back = torch.from_numpy(np.argsort(np.concatenate(batches), kind="stable"))
        return {name: torch.cat(answers)[back] for name, answers in parts.items()}


def _said(spec: OutputSpec, answers: Tensor, groups: Indices | None) -> Sequence[Any]:
    """What one output says of each row, as JSON can hold it."""
    if spec.kind == "classification":
        labels = _labels(spec.labels)
        best = answers.argmax(dim=1).tolist()
        shares = answers.softmax(dim=1).tolist()
        return [
            {"label": labels[index], "probabilities": dict(zip(labels, row, strict=True))}
            for index, row in zip(best, shares, strict=True)
        ]
    if spec.kind == "multilabel":
        labels = _labels(spec.labels)
        rows = answers.sigmoid().tolist()
        return [{"probabilities": dict(zip(labels, row, strict=True))} for row in rows]
    if spec.kind == "ranking":
        ranks = _ranks(answers, groups)
        pairs = zip(answers.tolist(), ranks, strict=True)
        return [{"score": score, "rank": rank} for score, rank in pairs]
    is_rate = spec.kind == "regression" and spec.is_rate
    values: list[Any] = (answers.sigmoid() if is_rate else answers).tolist()
    return values


def _labels(labels: Sequence[str] | int) -> list[str]:
    return [str(index) for index in range(labels)] if isinstance(labels, int) else list(labels)


def _ranks(scores: Tensor, groups: Indices | None) -> list[int]:
    """The place of each row in its group by descending score, from 1; ties stand as they are."""
    values = scores.numpy()
    lists = np.zeros(len(values), dtype=np.int64) if groups is None else groups
    order = np.lexsort((-values, lists))
    starts = np.searchsorted(lists[order], lists[order], side="left")
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.arange(len(values)) - starts + 1
    found: list[int] = ranks.tolist()
    return found
