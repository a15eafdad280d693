"""Learning rates under muP: what was tuned at `base_width` holds at any width.

Yang et al. 2022, Tensor Programs V, arXiv:2203.03466, table 3, which the preset `mup` draws by:

    parameter           Adam                  SGD
    input, bias, norm   1                     width / base_width
    hidden              base_width / width    1
    output              base_width / width    base_width / width

A parameter is an output's if its inputs grow with the model's widths and its outputs do not, a
hidden one if both grow, else an input's: the recipe is planned at twice its widths to see. The
factors are 1 in a model of base_width.
"""

from __future__ import annotations

from typing import Literal

from seobuilder.planning.model import Parameter
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.dump import dump
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.recipe.widen import widened


def rate_factors(loaded: LoadedRecipe, method: Literal["adamw", "sgd"]) -> dict[str, float]:
    """By logical name: what multiplies each parameter's rate; 1 where the recipe has no muP."""
    plan = make_plan(loaded, files="ignored")
    narrow = {a.parameter.name: a.parameter for a in plan.assignments}
    base = loaded.recipe.base_width
    if base is None or not loaded.has_mup_rates:
        return dict.fromkeys(narrow, 1.0)
    text = dump(widened(loaded.resolved, 2)).encode()
    double = parse_recipe(text, loaded.file, loaded.folder, (), loaded.given)
    wide = {a.parameter.name: a.parameter for a in make_plan(double, files="ignored").assignments}
    return {name: _factor(each, wide[name], base, method) for name, each in narrow.items()}


def _factor(
    parameter: Parameter, wide: Parameter, base: int, method: Literal["adamw", "sgd"]
) -> float:
    width = parameter.variables.get("width")
    if width is None:  # no module has a width here, and nothing grows
        return 1.0
    is_matrix = parameter.role not in ("bias", "norm_scale", "norm_shift", "residual_scale")
    takes = is_matrix and _fan_in(wide) > _fan_in(parameter)
    if method == "adamw":
        return base / width if takes else 1.0
    gives = wide.count > parameter.count * (2 if takes else 1)
    if takes:
        return 1.0 if gives else base / width
    return width / base if gives else 1.0


def _fan_in(parameter: Parameter) -> float:
    return 0.0 if parameter.fans is None else parameter.fans.fan_in
