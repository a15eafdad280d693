"""What Python offers: build a recipe, load a build folder, inspect a model, encode its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

from torch import nn

from seobuilder.arguments import require_path, shown
from seobuilder.artifact.manifest import MANIFEST, RESOLVED, TRAINING, WEIGHTS
from seobuilder.artifact.verify import require
from seobuilder.artifact.weights import load_weights, open_weights, read_checkpoint
from seobuilder.building.compile import compile_plan
from seobuilder.data.encoder import Encoder
from seobuilder.data.tokenizer import load_tokenizer, tokenizer_groups
from seobuilder.errors import EnvironmentProblem, InvalidArgument
from seobuilder.health.assess import assess
from seobuilder.health.probes.inputs import probe_inputs
from seobuilder.health.survey import Found, survey, tensors_in, tensors_of
from seobuilder.init.initialize import allocate
from seobuilder.init.threads import one_thread
from seobuilder.layers import SearchModel
from seobuilder.norm.reparametrization import attach_all
from seobuilder.planning.model import Assignment, Plan
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.files import NO_FILES, Files
from seobuilder.recipe.load import LoadedRecipe, load_recipe
from seobuilder.recipe.spec import Recipe
from seobuilder.report.model import Report
from seobuilder.stages import Building, check_memory

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def build(
    recipe: str | Path | LoadedRecipe, overrides: Iterable[str] = (), files: Files = NO_FILES
) -> SearchModel:
    """Build a recipe's model in memory: every weight drawn by the rule that the recipe states.

    Args:
        recipe: a path, or the name of a shipped recipe.
        overrides: changes to the recipe, such as `modules.encoder.depth=12`.
        files: where weights and tokenizers are, by the names that the recipe has for them; others
            are looked for in the recipe's folder, and nowhere else.

    Raises:
        RecipeError: the recipe is invalid, or a file with weights does not suit it.
        DataError: its data is.
        EnvironmentProblem: a file can't be read, or the machine has too little memory.
        InvalidArgument: an argument is of another kind.
    """
    loaded = recipe if isinstance(recipe, LoadedRecipe) else load_recipe(recipe, overrides, files)
    return Building(loaded).model


def load(folder: str | Path) -> SearchModel:
    """Load a build folder's model, after every file was checked against the manifest.

    Raises:
        BuildFolderError: it is missing, incomplete, or was changed.
        InvalidArgument: the argument is no path.
    """
    path = require_path(folder, "a build folder is given by its path")
    manifest = require(path)
    plan = make_plan(load_recipe(path / RESOLVED), files="ignored")
    check_memory(plan)
    model = compile_plan(plan)
    allocate(model, plan)
    attach_all(model, plan)
    load_weights(path / WEIGHTS, model)
    model.plan = plan
    model.is_trained = TRAINING in manifest.files
    return model


def inspect(
    model: nn.Module | Mapping[str, Any] | str | Path, inputs: Mapping[str, Any] | None = None
) -> Report:
    """Measure a model, or the weights in a file or a state.

    A model that was built or loaded here is held against what its recipe declares. Of one that was
    trained here, whose weights are no longer the ones that were drawn, of any other module, and of
    a file, everything is measured that needs no declaration. A built model that was trained in a
    loop of one's own says so by `model.is_trained = True`.

    Args:
        model: a module; the path of a safetensors file, or of a checkpoint that `torch.save` wrote,
            of which no code is run; or what a checkpoint holds, mappings of tensors by name.
        inputs: what the module is called with, by name. Then its signals and their gradients are
            measured too; the module stays as it was.

    Raises:
        InvalidArgument: parameters of the model's plan are missing from it, or have other shapes;
            it is no module, file or state, or one without numbers; or it does not take the inputs.
        EnvironmentProblem: the file can't be read, or is neither.
    """
    if not isinstance(model, nn.Module):
        name, found = _tensors(model)
        if inputs is not None:
            raise InvalidArgument(f"inputs are for a module; this is {shown(model)}")
        try:
            with one_thread():
                return survey(name, found)
        except InvalidArgument as error:
            if isinstance(model, Mapping):
                raise
            raise EnvironmentProblem(f"can't read weights from {model}: {error}") from None
    if unreal := [name for name, each in model.named_parameters() if each.is_meta]:
        raise InvalidArgument(f"on the meta device there are no numbers: {', '.join(unreal)}")
    plan = getattr(model, "plan", None)
    with one_thread():
        probes = None if inputs is None else probe_inputs(model, inputs)
        if not isinstance(plan, Plan) or getattr(model, "is_trained", False):
            name = plan.name if isinstance(plan, Plan) else type(model).__name__
            found = list(tensors_of(model))
            if not found and probes is None:
                raise InvalidArgument(f"there is no tensor that can be read in {shown(model)}")
            return survey(name, found, probes)
        if changed := [a.parameter.name for a in plan.assignments if not _holds(model, a)]:
            raise InvalidArgument(f"the model was changed since it was built: {', '.join(changed)}")
        return assess(model, plan, probes=probes)


def _tensors(model: Mapping[str, Any] | str | Path) -> tuple[str, Iterable[Found]]:
    """A name for what is no module, and the tensors in it."""
    if isinstance(model, str | PathLike):
        path = Path(model)
        if path.is_dir():
            held = f", such as {path / WEIGHTS}" if (path / WEIGHTS).is_file() else ""
            raise EnvironmentProblem(f"{path} is a folder; weights are in a file{held}")
        if is_zipfile(path):
            found = list(tensors_in(read_checkpoint(path)))
        else:
            found = [Found(n, "tensor", read) for n, read in open_weights(path).items()]
        if not found:
            raise EnvironmentProblem(f"can't read weights from {path}: there is no tensor in it")
        return path.stem, found
    if not isinstance(model, Mapping):
        wanted = "inspect takes a module, the path of a file, or mappings of tensors by name"
        is_class = isinstance(model, type) and issubclass(model, nn.Module)
        held = isinstance(getattr(model, "model", None), nn.Module)
        help = ", not an instance of it" if is_class else "; give its `model`" if held else ""
        raise InvalidArgument(f"{wanted}; this is {shown(model)}{help}")
    found = list(tensors_in(model))
    if not found:
        raise InvalidArgument("there is no tensor in the mapping")
    return "state", found


def encoder(source: str | Path, files: Files = NO_FILES) -> Encoder:
    """What turns texts, numbers and images into the tensors that a model takes.

    Args:
        source: a build folder, or else a recipe: a path, or the name of a shipped recipe. A recipe
            without tokenizer files has its tokenizers trained on its data, as a build does.
        files: where a recipe's tokenizers are, by the names that it has for them.

    Raises:
        BuildFolderError: the folder is incomplete, or was changed.
        RecipeError: the recipe is invalid.
        DataError: its data is.
        EnvironmentProblem: a file can't be read.
        InvalidArgument: an argument is of another kind.
    """
    folder = require_path(source, "an encoder is of a build folder or a recipe, by its path")
    if not (folder / MANIFEST).is_file():
        building = Building(load_recipe(source, files=files))
        return Encoder(building.loaded.recipe, building.tokenizers)
    return Encoder(*recipe_of(folder))


def recipe_of(folder: Path) -> tuple[Recipe, dict[str, Tokenizer]]:
    """A build folder's recipe, and its tokenizers by name of input.

    Raises:
        BuildFolderError: the folder is missing, incomplete, or was changed.
    """
    held = require(folder).files
    recipe = load_recipe(folder / RESOLVED).recipe
    tokenizers = {
        name: load_tokenizer(folder / file, recipe.token_inputs[name].vocab_size)
        for name, file in tokenizer_groups(recipe).items()
        if file in held
    }
    return recipe, tokenizers


def _holds(model: nn.Module, assignment: Assignment) -> bool:
    """Whether the model has the parameter, under the names and in the shape that were planned."""
    parameter = assignment.parameter
    try:
        stored = [model.get_parameter(name) for name in parameter.stored]
    except AttributeError:
        return False
    return len(stored) > 1 or tuple(stored[0].shape) == parameter.shape
