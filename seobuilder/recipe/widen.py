"""The same recipe, wider or narrower."""

from __future__ import annotations

from math import lcm
from typing import Any

_WIDTHS = ("width", "widths", "channels")
"""Keys of modules that count units."""


def widened(recipe: dict[str, Any], factor: float) -> dict[str, Any]:
    """A resolved recipe whose modules have `factor` times as many units; its ends stay as they are.

    Heads stay as many as they are and grow, and `base_width` stays. Every width is rounded to what
    heads, groups of convolutions and norms divide.
    """
    modules: dict[str, Any] = recipe["modules"]
    parts = [2, *(module.get(key, 1) for module in modules.values() for key in ("heads", "groups"))]
    parts += [rule.get("num_groups", 1) for rule in recipe.get("normalization", ())]
    unit = lcm(*parts)
    return {**recipe, "modules": {n: _widened(m, factor, unit) for n, m in modules.items()}}


def _widened(module: dict[str, Any], factor: float, unit: int) -> dict[str, Any]:
    changed: dict[str, Any] = {
        key: _scaled(module[key], factor, unit) for key in _WIDTHS if key in module
    }
    if "ffn" in module:
        changed["ffn"] = _widened(module["ffn"], factor, unit)
    return {**module, **changed}


def _scaled(widths: int | list[int], factor: float, unit: int) -> int | list[int]:
    if isinstance(widths, list):
        return [_rounded(width, factor, unit) for width in widths]
    return _rounded(widths, factor, unit)


def _rounded(width: int, factor: float, unit: int) -> int:
    return max(1, round(width * factor / unit)) * unit
