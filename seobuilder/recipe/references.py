"""Names that refer to each other: checked on the document, so that one bad key hides nothing."""

from __future__ import annotations

import collections.abc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote, suggest
from seobuilder.recipe.document import (
    Entry,
    Mapping,
    Node,
    Scalar,
    Sequence,
    format_path,
    plain,
)
from seobuilder.recipe.spec.training import metrics_of


@dataclass(frozen=True)
class _Reference:
    """One place where `reader` names an entry of inputs, modules or outputs."""

    reader: str
    name: str
    mark: Mark
    path: str


def check_references(document: Mapping) -> list[Diagnostic]:
    """Duplicate, unknown, late and unused names, and columns that feed nothing."""
    checker = _Checker(
        _entries(document, "inputs"), _entries(document, "modules"), _entries(document, "outputs")
    )
    checker.check_names()
    checker.check_modules()
    checker.check_outputs()
    checker.check_use()
    columns = _entries(document, "data").get("columns")
    if columns is not None and isinstance(columns.value, Mapping):
        checker.check_columns(columns.value.entries, columns.key_mark)
    checker.check_training(_value(document, "training"))
    return checker.problems


@dataclass
class _Checker:
    inputs: dict[str, Entry]
    modules: dict[str, Entry]
    outputs: dict[str, Entry]
    used: set[str] = field(default_factory=set)
    problems: list[Diagnostic] = field(default_factory=list)

    def check_names(self) -> None:
        """Inputs, modules and outputs share one namespace; masks are arguments beside inputs."""
        taken: dict[str, Mark] = {}
        for section in ("inputs", "modules", "outputs"):
            for name, entry in getattr(self, section).items():
                if name in taken:
                    first = taken[name]
                    place = f"{first.file}:{first.line}:{first.column}"
                    message = f"{quote(name)} is taken already, by {place}"
                    self._problem("R204", message, entry.key_mark, format_path((section, name)))
                taken.setdefault(name, entry.key_mark)
        for name, entry in self.inputs.items():
            owner = name.removesuffix("_mask")
            if owner != name and owner in self.inputs and _kind(self.inputs[owner]) == "tokens":
                message = f"{quote(name)} is the name of the padding mask of {quote(owner)}"
                self._problem("R204", message, entry.key_mark, format_path(("inputs", name)))

    def check_modules(self) -> None:
        """A module reads from inputs and from modules above it."""
        available = list(self.inputs)
        owners: list[str] = []
        for name, entry in self.modules.items():
            for reference in _references(entry, "from", ("modules", name)):
                self._use(reference, available, "input or module", late=self.modules)
            for reference in _references(entry, "same_as", ("modules", name)):
                self._share(reference, owners)
            if _value(entry.value, "same_as") is None:
                owners.append(name)
            available.append(name)

    def check_outputs(self) -> None:
        """An output reads from any of them, and is compared with another output."""
        available = [*self.inputs, *self.modules]
        embeddings = [name for name, entry in self.outputs.items() if _kind(entry) == "embedding"]
        for name, entry in self.outputs.items():
            for reference in _references(entry, "from", ("outputs", name)):
                self._use(reference, available, "input or module")
            others = [other for other in embeddings if other != name]
            for reference in _references(entry, "contrast", ("outputs", name)):
                self._use(reference, others, "other embedding output")

    def check_use(self) -> None:
        """Something must read from every input and module."""
        for section in ("inputs", "modules"):
            for name, entry in getattr(self, section).items():
                if name not in self.used:
                    message = f"nothing refers to {quote(name)}"
                    path = format_path((section, name))
                    help = "use it in a `from`, or delete it"
                    self._problem("R203", message, entry.key_mark, path, help)

    def check_columns(self, columns: collections.abc.Mapping[str, Entry], mark: Mark) -> None:
        """Columns for what is not there, and inputs that no column feeds."""
        known = [*self.inputs, *self.outputs]
        fed = set(columns)
        for name, entry in columns.items():
            if name not in known:
                path = format_path(("data", "columns", name))
                reference = _Reference("columns", name, entry.key_mark, path)
                fed.add(self._unknown(reference, known, "input or output"))
        for name in self.inputs:
            if name not in fed:
                message = f"no column feeds the input {quote(name)}"
                self._problem("R210", message, mark, "data.columns")

    def check_training(self, section: Node | None) -> None:
        """Weights of outputs that are not there, and metrics that none of them has."""
        weights = _value(section, "weights")
        for name, entry in weights.entries.items() if isinstance(weights, Mapping) else ():
            if name not in self.outputs:
                path = format_path(("training", "weights", name))
                reference = _Reference("training", name, entry.key_mark, path)
                self._unknown(reference, list(self.outputs), "output")
        metric = _value(_value(section, "early_stopping"), "metric")
        known = list(metrics_of({name: _kind(entry) for name, entry in self.outputs.items()}))
        word = metric.value if isinstance(metric, Scalar) else None
        if isinstance(metric, Scalar) and isinstance(word, str) and word and word not in known:
            guess = suggest(word, known)
            hint = f"; did you mean `{guess}`?" if guess else ""
            message = f"no output has the metric {quote(word)}{hint}"
            path = "training.early_stopping.metric"
            self._problem("R212", message, metric.mark, path, f"one of {', '.join(known)}")

    def _share(self, reference: _Reference, owners: list[str]) -> None:
        shared = self.modules.get(reference.name)
        owner = _value(shared.value, "same_as") if shared else None
        if owner is None:
            self._use(reference, owners, "module", late=self.modules)
            return
        self.used.add(reference.name)
        message = f"{quote(reference.name)} has no parameters of its own"
        names = isinstance(owner, Scalar) and owner.value != reference.name
        help = f"name the module that owns them: {plain(owner)}" if names else ""
        self._problem("R201", message, reference.mark, reference.path, help)

    def _use(
        self,
        reference: _Reference,
        candidates: list[str],
        noun: str,
        late: Iterable[str] = (),
    ) -> None:
        name = reference.name
        self.used.add(name)
        if name in candidates:
            return
        if name in late:
            message = f"{quote(name)} is not ready yet: modules are evaluated in order"
            help = f"move {quote(name)} above {quote(reference.reader)}"
            if name == reference.reader:
                message, help = f"{quote(name)} can't read from itself", ""
            self._problem("R202", message, reference.mark, reference.path, help)
            return
        self.used.add(self._unknown(reference, candidates, noun))

    def _unknown(self, reference: _Reference, candidates: list[str], noun: str) -> str:
        """Say so, and give the name that was probably meant: one slip is not two problems."""
        guess = suggest(reference.name, candidates)
        hint = f"; did you mean `{guess}`?" if guess else ""
        help = "" if guess or not candidates else f"there are {', '.join(candidates)}"
        message = f"there is no {noun} {quote(reference.name)}{hint}"
        self._problem("R201", message, reference.mark, reference.path, help)
        return guess or reference.name

    def _problem(self, code: str, message: str, mark: Mark, path: str, help: str = "") -> None:
        self.problems.append(Diagnostic(code, message, mark, path, help=help))


def _entries(document: Mapping, section: str) -> dict[str, Entry]:
    value = _value(document, section)
    return dict(value.entries) if isinstance(value, Mapping) else {}


def _value(node: Node | None, key: str) -> Node | None:
    """The value of a key, None where it is missing."""
    entry = node.entries.get(key) if isinstance(node, Mapping) else None
    return None if entry is None else entry.value


def _kind(entry: Entry) -> object:
    kind = _value(entry.value, "kind")
    return kind.value if isinstance(kind, Scalar) else None


def _references(entry: Entry, key: str, path: tuple[str, str]) -> Iterator[_Reference]:
    """The names under a key: one, or each item of a list."""
    value = _value(entry.value, key)
    items = enumerate(value.items) if isinstance(value, Sequence) else [(None, value)]
    for index, node in items:
        if isinstance(node, Scalar) and isinstance(node.value, str) and node.value:
            place = (*path, key) if index is None else (*path, key, index)
            yield _Reference(path[1], node.value, node.mark, format_path(place))
