"""Weights from files: whether a file holds what the plan takes from it, before a tensor is read.

Only headers are looked at. A tensor that nothing takes is told; an entry of `map` or `unused` that
does nothing is an error, as everything else in a recipe that does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from seobuilder.planning.distributions import Pretrained
from seobuilder.planning.model import Parameter, Plan
from seobuilder.planning.rules import listed
from seobuilder.planning.tensor_file import FLOATS, TensorEntry, read_header
from seobuilder.recipe.diagnostics import Diagnostic, Severity, alike_as_one, quote, suggest
from seobuilder.recipe.document import PathLike, format_path
from seobuilder.recipe.files import MissingFile, find_file
from seobuilder.recipe.given import named_files, weight_rules
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.patterns import compile_pattern

MAX_COMPARED = 10_000
MAX_HINTS = 20
"""Names that a missing one is compared with at most, and how many are: no file stalls a check."""


def check_files(loaded: LoadedRecipe, plan: Plan, *, required: bool) -> Plan:
    """The plan, with what is worth knowing about its files among the warnings.

    Args:
        loaded: the recipe.
        plan: what it decides.
        required: whether a file that is not there is an error, for the model is to be built.

    Raises:
        RecipeError: a file is unusable, or does not hold what the plan takes from it.
    """
    check = _Check(loaded, plan)
    found = [*check.presence(required=required), *check.maps(), *check.contents()]
    problems = [problem for problem in found if problem.severity == "error"]
    if problems:
        raise loaded.fail(alike_as_one(problems))
    return replace(plan, warnings=(*plan.warnings, *found))


def weight_files(loaded: LoadedRecipe) -> dict[str, Path]:
    """Where each file lies that weights are loaded from, by the recipe's name for it.

    Raises:
        ValueError: one is missing, or lies outside the recipe's folder.
    """
    names = sorted({rule.file for rule in weight_rules(loaded.recipe).values()})
    return {name: find_file(loaded.folder, name, loaded.given) for name in names}


@dataclass(frozen=True)
class _Check:
    loaded: LoadedRecipe
    plan: Plan
    hinted: set[PathLike] = field(default_factory=set)

    def presence(self, *, required: bool) -> Iterator[Diagnostic]:
        """Files that are not there; one that the caller gives must be."""
        for name, place in named_files(self.loaded.recipe).items():
            try:
                find_file(self.loaded.folder, name, self.loaded.given)
            except MissingFile as error:
                if required or name in self.loaded.given:
                    message = f"can't read {quote(name)}: {error}"
                    yield self._found("P601", message, place, help=self._way_to(name))
                else:
                    message = f"{quote(name)} is not there, so that nothing in it was checked"
                    yield self._found("P601", message, place, "warning", self._way_to(name))
            except ValueError as error:
                yield self._found("P601", f"can't read {quote(name)}: {error}", place)

    def maps(self) -> Iterator[Diagnostic]:
        """Entries of a `map` that cover nothing which their rule decides, and must decide."""
        for index, rule in weight_rules(self.loaded.recipe).items():
            if rule.optional:
                continue
            names = [parameter.name for parameter, _ in self._decided(index)]
            used = {found[0] for name in names if (found := rule.tensor_of(name))}
            for pattern in rule.map or {}:
                if names and pattern not in used:
                    late = any(map(compile_pattern(pattern).matches, names))
                    what = "parameter that no earlier entry covers" if late else "parameter"
                    message = f"the entry {quote(pattern)} covers no {what}"
                    place = ("initialization", index, "map", pattern)
                    yield self._found("P606", message, place, key=True)

    def contents(self) -> Iterator[Diagnostic]:
        """What each file lacks, holds otherwise, or holds beside what is taken from it."""
        rules = weight_rules(self.loaded.recipe)
        for name in dict.fromkeys(rule.file for rule in rules.values()):
            indices = [index for index, rule in rules.items() if rule.file == name]
            try:
                path = find_file(self.loaded.folder, name, self.loaded.given)
            except ValueError:
                continue  # `presence` says so
            try:
                header = read_header(path)
            except ValueError as error:
                message = f"can't load {quote(name)}: {error}"
                yield self._found("P602", message, ("initialization", indices[0], "file"))
                continue
            pairs = [(index, *pair) for index in indices for pair in self._decided(index)]
            taken = {source.tensor for _, _, source in pairs}
            left = [tensor for tensor in header if tensor not in taken]
            for index, parameter, source in pairs:
                yield from self._tensor(index, parameter, source, header, left)
            yield from self._left_over(name, indices, left)

    def _tensor(
        self,
        index: int,
        parameter: Parameter,
        source: Pretrained,
        header: Mapping[str, TensorEntry],
        left: Sequence[str],
    ) -> Iterator[Diagnostic]:
        """What is wrong with the tensor that a parameter is loaded from."""
        file, tensor, name = map(quote, (source.file, source.tensor, parameter.name))
        entry = weight_rules(self.loaded.recipe)[index].tensor_of(parameter.name)
        key = ("file",) if entry is None or entry[0] is None else ("map", entry[0])
        place = ("initialization", index, *key)
        held = header.get(source.tensor)
        if held is None:
            code, message = "P603", f"{file} has no tensor {tensor}, for {name}"
            message += self._hint(place, source.tensor, left)
        elif held.shape != parameter.shape:
            shapes = f"{list(held.shape)}, and {name} {list(parameter.shape)}"
            code, message = "P604", f"in {file}, {tensor} has the shape {shapes}"
        elif held.dtype not in FLOATS:
            dtypes = f"{held.dtype}, and weights are one of {', '.join(sorted(FLOATS))}"
            code, message = "P604", f"in {file}, {tensor} has the dtype {dtypes}"
        else:
            return
        yield self._found(code, message, place)

    def _hint(self, place: PathLike, tensor: str, left: Sequence[str]) -> str:
        """The name that was probably meant, one that nothing takes; told once for each place."""
        if place in self.hinted or len(self.hinted) == MAX_HINTS or len(left) > MAX_COMPARED:
            return ""
        self.hinted.add(place)
        guess = suggest(tensor, left)
        return f"; did you mean {quote(guess)}?" if guess else ""

    def _left_over(
        self, file: str, indices: Sequence[int], left: Sequence[str]
    ) -> Iterator[Diagnostic]:
        """Tensors of a file that nothing takes, and entries of `unused` that match none of them."""
        untold = dict.fromkeys(left)
        for index in indices:
            for number, text in enumerate(weight_rules(self.loaded.recipe)[index].unused):
                matched = [name for name in left if compile_pattern(text).matches(name)]
                for name in matched:
                    untold.pop(name, None)
                if not matched:
                    message = f"{quote(text)} matches nothing that is left over in {quote(file)}"
                    place = ("initialization", index, "unused", number)
                    yield self._found("P606", message, place)
        if untold:
            message = f"nothing takes {listed([name[:60] for name in untold])} from {quote(file)}"
            help = "name under `unused` what is left out on purpose"
            where = ("initialization", indices[0], "file")
            yield self._found("P607", message, where, "warning", help)

    def _decided(self, index: int) -> Iterator[tuple[Parameter, Pretrained]]:
        """The parameters that a rule decides, and where they are loaded from."""
        for assignment in self.plan.assignments:
            if assignment.rule.index == index:
                assert isinstance(assignment.distribution, Pretrained)
                yield assignment.parameter, assignment.distribution

    def _way_to(self, name: str) -> str:
        """Where a file comes from if the recipe says so, or how it is given."""
        rules = weight_rules(self.loaded.recipe).values()
        told = (rule.obtain for rule in rules if rule.obtain and rule.file == name)
        return next(told, f"give it with --file {name}=PATH, or put it into the recipe's folder")

    def _found(
        self,
        code: str,
        message: str,
        place: PathLike,
        severity: Severity = "error",
        help: str = "",
        *,
        key: bool = False,
    ) -> Diagnostic:
        mark = self.loaded.mark(*place, key=key)
        return Diagnostic(code, message, mark, format_path(place), severity, help)
