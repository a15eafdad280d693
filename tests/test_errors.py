from __future__ import annotations

import pickle

import pytest

from seobuilder import errors
from seobuilder.recipe.diagnostics import Diagnostic, Mark


def test_invalid_input_reads_as_its_rendered_diagnostics():
    problem = Diagnostic("R104", "unknown key", Mark("a.yaml", 1, 3, 2), "x")
    error = errors.RecipeError([problem], {"a.yaml": ("x: yy",)})
    assert str(error) == "a.yaml:1:3 R104 x: unknown key\n    1 | x: yy\n      |   ^^"
    assert error.diagnostics == (problem,)


def test_invalid_input_survives_pickling():
    error = errors.DataError([Diagnostic("D001", "no rows")], {"a.csv": ("",)})
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.diagnostics, copy.sources) == (
        errors.DataError,
        error.diagnostics,
        error.sources,
    )


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (errors.SeobuilderError, 1),
        (errors.InvalidInput, 1),
        (errors.RecipeError, 1),
        (errors.DataError, 1),
        (errors.InvalidArgument, 1),
        (errors.BuildFolderError, 3),
        (errors.EnvironmentProblem, 3),
        (errors.TrainingStopped, 1),
    ],
)
def test_exit_codes(error, exit_code):
    assert error.exit_code == exit_code
    assert issubclass(error, errors.SeobuilderError)
