"""Recipes, presets and schemas that come with the package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped_folder(name: str) -> Path:
    """Folder of the shipped `recipes` or `schemas`.

    A wheel carries them inside the package; a checkout has them beside it.
    """
    inside = _PACKAGE / "shipped" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def recipe_names() -> tuple[str, ...]:
    """Names of the shipped recipes, sorted."""
    return tuple(sorted(path.stem for path in shipped_folder("recipes").glob("*.yaml")))


def recipe_path(name: str) -> Path:
    """Where the shipped recipe of that name lies."""
    return shipped_folder("recipes") / f"{name}.yaml"


def preset_names() -> tuple[str, ...]:
    """Names of the presets, sorted."""
    return tuple(
        sorted(path.stem for path in (shipped_folder("recipes") / "presets").glob("*.yaml"))
    )


def preset_path(name: str) -> Path:
    """Where the preset of that name lies."""
    return shipped_folder("recipes") / "presets" / f"{name}.yaml"


def schema_path(document: str) -> Path:
    """Where the JSON Schema of recipes, reports or manifests lies."""
    return shipped_folder("schemas") / f"{document}.schema.json"
