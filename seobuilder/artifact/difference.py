"""In what two build folders differ: their recipes, their files, their weights and their reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal, TypeAlias

from torch import Tensor

from seobuilder.artifact.manifest import REPORT, RESOLVED, WEIGHTS, Manifest, identity
from seobuilder.artifact.verify import require
from seobuilder.artifact.weights import open_weights
from seobuilder.recipe.document import format_path, plain
from seobuilder.recipe.dump import flow
from seobuilder.recipe.reader import read
from seobuilder.report.model import Report
from seobuilder.report.parameters import ParameterRecord
from seobuilder.report.record import Record
from seobuilder.report.text import number

Weights: TypeAlias = Mapping[str, Callable[[], Tensor]]
"""What reads each stored tensor, by name."""

Section = Literal["build", "recipe", "file", "parameter", "output", "finding"]

_TOLD = ("recipe", "recipe text", "name", "seed", "dtype")
"""What the manifest knows in short, and the resolved recipe in detail."""


class Difference(Record):
    """One thing in which two builds differ.

    `place` is a path of the resolved recipe, a file, or a logical name; `before` and `after` are
    None where the one or the other build does not have it.
    """

    section: Section
    place: str
    before: str | None
    after: str | None


def compare_builds(old: Path, new: Path) -> list[Difference]:
    """What makes `new` another build than `old`; nothing if both hold the same.

    Raises:
        BuildFolderError: one of them is missing, incomplete, or was changed.
    """
    manifests = require(old), require(new)
    reports = _report(old), _report(new)
    return [
        *_identities(*manifests),
        *_values((), _recipe(old), _recipe(new)),
        *_inputs(*manifests),
        *_parameters(*reports, *(open_weights(folder / WEIGHTS) for folder in (old, new))),
        *_outputs(*reports),
        *_findings(*reports),
    ]


def _identities(old: Manifest, new: Manifest) -> Iterator[Difference]:
    before, after = identity(old), identity(new)
    for place in (place for place in before if place not in _TOLD):
        yield from _difference("build", place, before[place], after[place])


def _inputs(old: Manifest, new: Manifest) -> Iterator[Difference]:
    """Data, tokenizers and weights that went into the builds."""
    for name in sorted((old.parts.keys() | new.parts.keys()) - set(_TOLD)):
        hashes = (manifest.parts.get(name) for manifest in (old, new))
        before, after = (value and f"sha256 {value[:12]}" for value in hashes)
        yield from _difference("file", name, before, after)


def _values(path: tuple[str | int, ...], old: Any, new: Any) -> Iterator[Difference]:
    """Where two values of the resolved recipe differ, as deep down as they are alike above."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            if key in old and key in new:
                yield from _values((*path, key), old[key], new[key])
            else:
                before, after = (flow(side[key]) if key in side else None for side in (old, new))
                yield from _difference("recipe", format_path((*path, key)), before, after)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _items(path, old, new)
    else:
        yield from _difference("recipe", format_path(path), flow(old), flow(new))


def _items(path: tuple[str | int, ...], old: list[Any], new: list[Any]) -> Iterator[Difference]:
    """Items that were added, deleted or changed; the others are matched wherever they moved to."""
    texts = [flow(item) for item in old], [flow(item) for item in new]
    for tag, low, high, start, stop in SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        changed = min(high - low, stop - start)
        for offset in range(changed):
            yield from _values((*path, start + offset), old[low + offset], new[start + offset])
        for index in range(low + changed, high):
            yield from _difference("recipe", format_path((*path, index)), texts[0][index], None)
        for index in range(start + changed, stop):
            yield from _difference("recipe", format_path((*path, index)), None, texts[1][index])


def _parameters(old: Report, new: Report, before: Weights, after: Weights) -> Iterator[Difference]:
    """Parameters by logical name: how they were drawn, and whether the weights are the same."""
    left = {record.name: record for record in old.parameters}
    right = {record.name: record for record in new.parameters}
    for name in dict.fromkeys([*left, *right]):
        one, other = left.get(name), right.get(name)
        if one is None or other is None:
            yield from _difference("parameter", name, *map(_described, (one, other)))
        elif one.shape != other.shape or one.declared != other.declared:
            yield from _difference("parameter", name, _described(one), _described(other))
        elif moved := _moved(one, before, other, after):
            std = f"std {number(one.measured.std)}", f"std {number(other.measured.std)}"
            yield Difference(
                section="parameter", place=name, before=std[0], after=f"{std[1]}, {moved}"
            )


def _moved(one: ParameterRecord, before: Weights, other: ParameterRecord, after: Weights) -> str:
    """How far a weight of the same shape is from what it was, or nothing if it is the same."""
    old, new = (
        [weights[name]().double() for name in record.stored]
        for record, weights in ((one, before), (other, after))
    )
    if [tensor.shape for tensor in old] != [tensor.shape for tensor in new]:
        return "stored in another form"
    distance = sum(float((b - a).square().sum()) for a, b in zip(old, new, strict=True)) ** 0.5
    norm = sum(float(tensor.square().sum()) for tensor in old) ** 0.5
    if distance == 0:
        return ""
    return f"moved by {number(distance / norm)} of its norm" if norm else "no longer zero"


def _described(record: ParameterRecord | None) -> str | None:
    if record is None:
        return None
    return f"{' x '.join(map(str, record.shape))}, {record.declared}"


def _outputs(old: Report, new: Report) -> Iterator[Difference]:
    left, right = (
        {o.name: f"loss {number(o.loss)}, guessing {number(o.chance)}" for o in report.outputs}
        for report in (old, new)
    )
    yield from _entries("output", left, right)


def _findings(old: Report, new: Report) -> Iterator[Difference]:
    left, right = (
        {f"{f.code} {f.place}": f"{f.severity}: {f.message}" for f in report.findings}
        for report in (old, new)
    )
    yield from _entries("finding", left, right)
    yield from _difference("finding", "verdict", old.verdict, new.verdict)


def _entries(
    section: Section, old: Mapping[str, str], new: Mapping[str, str]
) -> Iterator[Difference]:
    for place in dict.fromkeys([*old, *new]):
        yield from _difference(section, place, old.get(place), new.get(place))


def _difference(
    section: Section, place: str, before: str | None, after: str | None
) -> Sequence[Difference]:
    """One difference, or none where there is none."""
    if before == after:
        return ()
    return (Difference(section=section, place=place, before=before, after=after),)


def _report(folder: Path) -> Report:
    return Report.model_validate_json((folder / REPORT).read_bytes())


def _recipe(folder: Path) -> Any:
    return plain(read((folder / RESOLVED).read_bytes(), RESOLVED).root)
