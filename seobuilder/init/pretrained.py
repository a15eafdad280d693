"""Loading parameters from safetensors files, as a plan decided."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from seobuilder.errors import EnvironmentProblem
from seobuilder.planning.distributions import Pretrained
from seobuilder.planning.model import Plan
from seobuilder.recipe.files import Files


@torch.no_grad()
def load_tensors(parameters: Mapping[str, Tensor], plan: Plan, files: Files) -> None:
    """Copy each tensor that the plan takes from a file into its parameter, cast to its dtype.

    One tensor is in memory at a time beside the parameters. The row of padding is loaded as the
    file has it: the model was trained with it.

    Args:
        parameters: by logical name; those that the plan loads are overwritten.
        plan: says which tensor of which file a parameter is.
        files: where each file lies.

    Raises:
        EnvironmentProblem: a file can't be read, or no longer holds what its header said.
    """
    wanted: dict[str, list[tuple[str, str]]] = {}
    for assignment in plan.assignments:
        source = assignment.distribution
        if isinstance(source, Pretrained):
            pair = (assignment.parameter.name, source.tensor)
            wanted.setdefault(source.file, []).append(pair)
    for file, pairs in wanted.items():
        try:
            with safe_open(files[file], framework="pt") as content:
                for name, tensor in pairs:
                    _copy(content.get_tensor(tensor), parameters[name], tensor)
        except (OSError, SafetensorError, ValueError) as error:
            raise EnvironmentProblem(f"can't load {file}: {error}") from None


def _copy(source: Tensor, target: Tensor, name: str) -> None:
    if source.shape != target.shape:  # which `copy_` might stretch
        raise ValueError(f"{name} has the shape {list(source.shape)} now")
    target.copy_(source)
