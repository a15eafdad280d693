"""Images in files: numpy arrays, and PNG or JPEG where Pillow is installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from seobuilder.data.cells import BadCell, text
from seobuilder.data.sources import inside
from seobuilder.errors import DataError, EnvironmentProblem
from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote
from seobuilder.recipe.spec.inputs import ImageInput

PILLOW_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels to the mode that a PNG or JPEG must have: nothing is converted, dropped or resized."""


def image_path(folder: Path, spec: ImageInput) -> Callable[[object], Path]:
    """Reader of a cell that names an image file, relative to the recipe's folder.

    The file's shape is held against the spec; its pixels are read with `read_image`, later.
    """

    def path(cell: object) -> Path:
        name = text(cell)
        if not name:
            raise BadCell("D205", "the cell is empty, and nothing stands in for a missing image")
        try:
            file = inside(folder, name)
            _open(file, spec)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise BadCell("D206", f"{quote(name)}: {reason}") from None
        return file

    return path


def read_image(file: Path, spec: ImageInput) -> NDArray[np.float32]:
    """Pixels [channels, height, width]; bytes are divided by 255, fractions taken as they are.

    Raises:
        DataError: the file changed since its shape was checked, or its pixels are broken.
        EnvironmentProblem: a PNG or JPEG, but Pillow isn't installed.
    """
    try:
        pixels = _open(file, spec)()
    except (OSError, ValueError, SyntaxError) as error:
        problem = Diagnostic("D206", f"unreadable image: {error}", Mark(str(file), 1, 1))
        raise DataError([problem]) from None
    if pixels.dtype == np.uint8:
        return pixels.astype(np.float32) / np.float32(255)
    return pixels.astype(np.float32)


def _open(file: Path, spec: ImageInput) -> Callable[[], NDArray[Any]]:
    """Check a file's header; what is returned reads its pixels as [C, H, W]."""
    opener = OPENERS.get(file.suffix.lower())
    if opener is None:
        raise ValueError(f"unknown kind of image; supported: {', '.join(OPENERS)}")
    return opener(file, spec)


def _open_array(file: Path, spec: ImageInput) -> Callable[[], NDArray[Any]]:
    # Mapping reads the header alone, and refuses pickled objects, which would run code.
    array: NDArray[Any] = open_memmap(file, mode="r")
    expected = (spec.channels, spec.height, spec.width)
    if array.shape != expected:
        raise ValueError(f"shape {list(array.shape)}, expected {list(expected)}")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise ValueError(f"numbers of type {array.dtype}, expected uint8 or a float type")
    return lambda: np.array(array)


def _open_picture(file: Path, spec: ImageInput) -> Callable[[], NDArray[Any]]:
    try:
        image: Any = import_module("PIL.Image")
    except ImportError:
        raise EnvironmentProblem(
            f"{file}: reading PNG and JPEG needs Pillow; run `pip install pillow`"
        ) from None
    mode = PILLOW_MODES.get(spec.channels)
    try:
        with image.open(file) as picture:
            found = (picture.mode, picture.height, picture.width)
    except image.DecompressionBombError as error:
        raise ValueError(str(error)) from None
    if found != (mode, spec.height, spec.width):
        raise ValueError(
            f"{found[1]} x {found[2]} pixels of mode {found[0]}, "
            f"expected {spec.height} x {spec.width} of mode {mode}"
        )

    def pixels() -> NDArray[Any]:
        with image.open(file) as picture:
            array: NDArray[Any] = np.asarray(picture)
        return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)

    return pixels


OPENERS: dict[str, Callable[[Path, ImageInput], Callable[[], NDArray[Any]]]] = {
    ".npy": _open_array,
    ".png": _open_picture,
    ".jpg": _open_picture,
    ".jpeg": _open_picture,
}
