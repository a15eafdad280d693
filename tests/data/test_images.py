from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seobuilder.data.cells import BadCell
from seobuilder.data.images import image_path, read_image
from seobuilder.errors import DataError
from seobuilder.recipe.spec.inputs import ImageInput


def spec(channels: int) -> ImageInput:
    return ImageInput(kind="image", channels=channels, height=2, width=3)


def test_bytes_become_fractions(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((1, 2, 3), 51, np.uint8))
    pixels = read_image(tmp_path / "x.npy", spec(1))
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, np.full((1, 2, 3), 0.2, np.float32))


def test_fractions_are_taken_as_they_are(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float64).reshape(2, 2, 3)
    np.save(tmp_path / "x.npy", np.asfortranarray(values))
    np.testing.assert_array_equal(read_image(tmp_path / "x.npy", spec(2)), values)


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 2, 3), np.uint8))
    with pytest.raises(DataError, match=r"D206 unreadable image: shape \[3, 2, 3\], expected"):
        read_image(tmp_path / "x.npy", spec(1))


def test_an_archive_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", values=np.zeros((1, 2, 3)))
    (tmp_path / "x.npz").rename(tmp_path / "x.npy")
    with pytest.raises(BadCell, match=r"^`x\.npy`: the magic string is not correct"):
        image_path(tmp_path, spec(1))("x.npy")


def test_pictures(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")
    values = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    image.fromarray(values).save(tmp_path / "x.png")
    path = image_path(tmp_path, spec(3))("x.png")
    expected = np.moveaxis(values, -1, 0).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(read_image(path, spec(3)), expected)

    image.fromarray(values[:, :, 0]).save(tmp_path / "grey.png")
    path = image_path(tmp_path, spec(1))("grey.png")
    np.testing.assert_array_equal(read_image(path, spec(1)), expected[:1])
    with pytest.raises(
        BadCell, match=r"^`grey\.png`: 2 x 3 pixels of mode L, expected 2 x 3 of mode RGB$"
    ):
        image_path(tmp_path, spec(3))("grey.png")

    (tmp_path / "cut.png").write_bytes((tmp_path / "x.png").read_bytes()[:50])
    with pytest.raises(DataError, match="D206 unreadable image: "):
        read_image(tmp_path / "cut.png", spec(3))
