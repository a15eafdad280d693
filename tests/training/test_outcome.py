"""What guessing gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log

import pytest
import torch

from seobuilder.recipe.load import LoadedRecipe
from seobuilder.stages import Building
from seobuilder.training.outcome import chance_of


def test_the_loss_of_guessing_is_unknown_without_labels(small: Callable[..., LoadedRecipe]) -> None:
    building = Building(small())
    recipe, batch = building.loaded.recipe, building.batch[0]
    assert chance_of(building.model, recipe, batch)["loss"] == pytest.approx(log(2))
    unlabelled = replace(batch, targets={"kind": torch.full((len(batch),), -100)})
    assert chance_of(building.model, recipe, unlabelled) == {"loss": None}
