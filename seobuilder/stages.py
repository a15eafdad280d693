"""The stages of one build, from a checked recipe to the files of its folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import file_digest
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from seobuilder.artifact.folder import Content, Status, status, write
from seobuilder.artifact.manifest import (
    RESOLVED,
    SOURCE,
    WEIGHTS,
    FileEntry,
    Manifest,
    Versions,
    differences,
    digest,
)
from seobuilder.artifact.verify import require
from seobuilder.artifact.weights import write_weights
from seobuilder.building.compile import compile_plan
from seobuilder.data.batches import Batch, feature_matrix, make_batch, sample_rows, seeded_batch
from seobuilder.data.encode import Examples, load_examples
from seobuilder.data.sources import data_files
from seobuilder.data.tokenizer import prepare_tokenizers, tokenizer_groups
from seobuilder.errors import EnvironmentProblem
from seobuilder.health.assess import assess
from seobuilder.health.first_loss import measure_outputs
from seobuilder.health.probes.coordinates import FACTORS, coordinate_records
from seobuilder.health.probes.probe import probe
from seobuilder.health.probes.rehearsal import rehearse
from seobuilder.init.initialize import initialize
from seobuilder.init.streams import SCHEME
from seobuilder.init.threads import one_thread
from seobuilder.layers import FeatureScaler, SearchModel
from seobuilder.planning.model import Plan
from seobuilder.planning.mup import rate_factors
from seobuilder.planning.planner import make_plan
from seobuilder.planning.pretrained import weight_files
from seobuilder.planning.single_row import batch_of_one
from seobuilder.recipe.dump import dump
from seobuilder.recipe.files import find_file
from seobuilder.recipe.given import named_files
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.recipe.widen import widened
from seobuilder.report.model import BatchRecord, Report, VocabularyRecord
from seobuilder.report.probes import CoordinateRecord
from seobuilder.report.render_html import render_html
from seobuilder.report.render_json import render_json
from seobuilder.report.render_markdown import render_markdown

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PROBE_ROWS = 64


@dataclass(frozen=True)
class Building:
    """One build: each stage is computed once, when it is first asked for.

    `with_coordinates` asks for the coordinate check, which builds and trains two models more.
    `further` is by name what else decides the content of what is written, such as how a model was
    trained. `reads_all` says that all images do, not only those that a report looks at.
    """

    loaded: LoadedRecipe
    with_coordinates: bool = False
    further: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reads_all: bool = False

    @cached_property
    def plan(self) -> Plan:
        """What was decided before any tensor; the files that it needs are there."""
        return make_plan(self.loaded, files="required")

    @cached_property
    def examples(self) -> Examples | None:
        """The recipe's data, None where it names none."""
        recipe = self.loaded.recipe
        return None if recipe.data is None else load_examples(recipe, self.loaded.folder)

    @cached_property
    def tokenizers(self) -> dict[str, Tokenizer]:
        """The tokenizer of each tokens input that names one or has data to train it on."""
        loaded = self.loaded
        return prepare_tokenizers(loaded.recipe, loaded.folder, self.examples, loaded.given)

    @cached_property
    def model(self) -> SearchModel:
        """The model with every weight drawn and every feature scale fitted."""
        check_memory(self.plan)
        model = compile_plan(self.plan)
        initialize(model, self.plan, files=weight_files(self.loaded))
        for name in self.loaded.recipe.inputs:
            scaler = dict(model.named_children()).get(name)
            if isinstance(scaler, FeatureScaler) and self.examples is not None:
                with one_thread():
                    scaler.fit(feature_matrix(self.examples, name))
        model.plan = self.plan
        return model

    @cached_property
    def batch(self) -> tuple[Batch, BatchRecord]:
        """Rows to look at the untrained model with: of the training split, or seeded."""
        recipe = self.loaded.recipe
        if self.examples is None or recipe.data is None:
            batch = seeded_batch(recipe)
            return batch, BatchRecord(source="seeded", rows=len(batch))
        indices = sample_rows(self.examples, PROBE_ROWS, recipe.seed)
        if len(indices) == 1 and (
            problems := batch_of_one(self.loaded, self.plan, "the training split has one row")
        ):
            raise self.loaded.fail(problems)
        source = ", ".join(recipe.data.train_files)
        record = BatchRecord(source=source, rows=len(indices))
        return make_batch(self.examples, indices, recipe, self.tokenizers), record

    @cached_property
    def report(self) -> Report:
        """What the finished model measures."""
        batch, record = self.batch
        recipe = self.loaded.recipe
        vocabulary = []
        for name, tokenizer in self.tokenizers.items():
            spec = recipe.token_inputs[name]
            vocabulary.append(
                VocabularyRecord(
                    input=name,
                    rows=spec.vocab_size,
                    unused=spec.vocab_size - tokenizer.get_vocab_size(),
                    trained=spec.tokenizer is None,
                )
            )
        with one_thread():  # sums are split by thread, and their last digits with them
            probes = probe(self.model, self.plan, recipe, batch)
            if self.examples is not None:  # what is drawn at random has nothing to learn
                rehearsal = rehearse(self.model, self.plan, recipe, batch)
                probes = probes.model_copy(update={"rehearsal": rehearsal})
            if self.with_coordinates:
                probes = probes.model_copy(update={"coordinates": tuple(self._coordinates())})
            return assess(
                self.model,
                self.plan,
                outputs=measure_outputs(self.model, recipe, batch),
                batch=record,
                vocabulary=vocabulary,
                probes=probes,
                loaded=self.loaded,
            )

    def _coordinates(self) -> Iterator[CoordinateRecord]:
        """The coordinate check on the report's batch, at each width."""
        loaded, (batch, _) = self.loaded, self.batch
        for factor in FACTORS:
            text = dump(widened(loaded.resolved, factor)).encode()
            other = Building(parse_recipe(text, loaded.file, loaded.folder, (), loaded.given))
            recipe, rates = other.loaded.recipe, rate_factors(other.loaded, "adamw")
            yield from coordinate_records(other.model, other.plan, recipe, batch, factor, rates)

    @cached_property
    def parts(self) -> dict[str, str]:
        """Hashes of everything that decides the build's content.

        The text counts beside the recipe that it resolves to, for the folder keeps the text, and
        the report names its lines.
        """
        loaded = self.loaded
        texts = [(PurePath(file).name, lines) for file, lines in loaded.sources.items()]
        parts = {"recipe": digest(loaded.resolved), "recipe text": digest({"files": texts})}
        names = list(data_files(loaded.recipe.data).values()) if loaded.recipe.data else []
        names += named_files(loaded.recipe)
        for name in names:
            try:
                parts[name] = _hash(find_file(loaded.folder, name, loaded.given))
            except (OSError, ValueError):
                continue  # reading the data says what is wrong, and where the recipe names it
        if self.with_coordinates:
            parts["probe of coordinates"] = digest({"widths": FACTORS})
        parts |= {name: digest(part) for name, part in self.further.items()}
        looks = any(spec.kind == "image" for spec in loaded.recipe.inputs.values())
        if looks and (examples := self.examples) is not None:
            rows = sample_rows(examples, PROBE_ROWS, loaded.recipe.seed)
            if self.reads_all:
                rows = np.arange(len(examples))
            for name, files in examples.images.items():
                hashes = {file: _hash(file) for file in {files[row] for row in rows}}
                parts[f"images of {name}"] = digest({"files": [hashes[files[r]] for r in rows]})
        return parts

    @cached_property
    def digest(self) -> str:
        """Identifies the build before it is made."""
        return digest(
            {"parts": self.parts, "versions": _versions().model_dump(), "streams": SCHEME}
        )

    def files(self) -> dict[str, Content]:
        """The build folder's files, the manifest excepted."""
        report = self.report
        return {
            **self.model_files(),
            "report.json": render_json(report).encode(),
            "report.md": render_markdown(report).encode(),
            "report.html": render_html(report).encode(),
        }

    def model_files(self) -> dict[str, Content]:
        """What it takes to load the model as it is: weights, recipe and tokenizers."""
        files: dict[str, Content] = {
            WEIGHTS: lambda path: write_weights(path, self.model.state_dict()),
            RESOLVED: dump(self._self_contained()).encode(),
            SOURCE: self.loaded.source,
        }
        for name, file in tokenizer_groups(self.loaded.recipe).items():
            if name in self.tokenizers:
                files[file] = self.tokenizers[name].to_str(pretty=True).encode()
        return files

    def _self_contained(self) -> dict[str, Any]:
        """The resolved recipe, its tokenizers being those in the build folder."""
        resolved = self.loaded.resolved
        for name, file in tokenizer_groups(self.loaded.recipe).items():
            if self.loaded.recipe.token_inputs[name].tokenizer is not None:
                resolved["inputs"][name]["tokenizer"] = file
        return resolved

    def manifest(self, files: dict[str, FileEntry]) -> Manifest:
        """The manifest of those files."""
        return Manifest(
            name=self.plan.name,
            digest=self.digest,
            parts=self.parts,
            versions=_versions(),
            seed=self.plan.seed,
            streams=SCHEME,
            dtype=self.plan.dtype,
            parameters=self.plan.parameter_count,
            files=files,
        )

    def status(self, target: Path) -> Status:
        """What is at `target` already, compared with this build."""
        return status(target, self.digest)

    def differences(self, target: Path) -> list[str]:
        """In what the build at `target` differs from this one.

        Raises:
            BuildFolderError: what is there is no build, or a damaged one.
        """
        return differences(require(target), self.manifest({}))

    def write(self, target: Path, *, force: bool = False) -> None:
        """Write the build folder.

        Raises:
            BuildFolderError: another build is there, or the disk refuses; nothing has changed then.
        """
        write(target, self.files(), self.manifest, force=force)


def check_memory(plan: Plan) -> None:
    """Refuse a model that this machine can't hold, before it starts to swap."""
    if not hasattr(os, "sysconf"):
        return
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if plan.parameter_bytes > total:
        need, have = plan.parameter_bytes / 2**30, total / 2**30
        raise EnvironmentProblem(
            f"{plan.name} needs {need:,.0f} GiB for its weights, and this machine has {have:,.0f}"
        )


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()


def _versions() -> Versions:
    names = ("seobuilder", "torch", "numpy", "safetensors", "tokenizers")
    return Versions(**{name: version(name) for name in names})
