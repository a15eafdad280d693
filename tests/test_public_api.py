"""What `import seobuilder` offers, and that an installed wheel offers the same."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import seobuilder
from seobuilder.recipe.shipped import recipe_names

ROOT = Path(__file__).resolve().parents[1]


def test_the_public_names() -> None:
    public = {
        *("build", "encoder", "inspect", "load", "plan", "train", "__version__"),
        *("Trained", "TrainingStopped"),
        *("BuildFolderError", "DataError", "EnvironmentProblem"),
        *("InvalidArgument", "InvalidInput", "RecipeError", "SeobuilderError"),
    }
    assert set(seobuilder.__all__) == set(dir(seobuilder)) == public
    assert list(seobuilder.__all__) == sorted(seobuilder.__all__)
    for name in public - {"__version__"}:
        assert getattr(seobuilder, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'bulid'"):
        _ = seobuilder.bulid


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert seobuilder.__version__ == project["version"]


def test_the_docstring_is_a_program_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert seobuilder.__doc__ is not None
    program = seobuilder.__doc__.partition("\n\n")[2]
    seobuilder_cli("search_intent", folder=tmp_path)
    names: dict[str, object] = {}
    exec(program, names)
    assert getattr(names["report"], "is_healthy") is True  # noqa: B009
    outputs = names["outputs"]
    assert isinstance(outputs, dict) and outputs["intent"].shape == (1, 4)


def test_importing_it_and_planning_load_no_torch() -> None:
    code = (
        "import sys, seobuilder\n"
        "seobuilder.plan('search_intent')\n"
        "sys.exit(' '.join({'torch', 'numpy', 'tokenizers'} & sys.modules.keys()))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == "\n"
    )


def test_a_folder_is_not_shadowed_by_a_module_of_the_same_name() -> None:
    """`seobuilder.plan` stays the function, whatever is imported."""
    import seobuilder.building
    import seobuilder.planning

    assert callable(seobuilder.plan) and callable(seobuilder.build)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("hatchling") is None or find_spec("pip") is None:
        pytest.skip("building a wheel needs pip, and hatchling, which the dev extra has")
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    pip(*("wheel", str(ROOT), "--wheel-dir", str(folder)), *options)
    (path,) = folder.glob("seobuilder-*.whl")
    return path


def test_the_wheel_carries_what_is_shipped_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    held = {name.removeprefix("seobuilder/shipped/") for name in names if "/shipped/" in name}
    for folder in ("recipes", "schemas"):
        files = {path for path in (ROOT / folder).rglob("*") if path.is_file()}
        here = {f"{folder}/{path.relative_to(ROOT / folder).as_posix()}" for path in files}
        assert here and here <= held
    assert "seobuilder/py.typed" in names
    tops = {name.partition("/")[0] for name in names}
    assert len(tops) == 2 and "seobuilder" in tops  # and its .dist-info


def test_the_installed_wheel_works_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    pip(
        *("install", str(wheel), "--target", str(site)),
        *("--no-deps", "--quiet", "--disable-pip-version-check", "--no-index"),
    )
    where = "import seobuilder; print(seobuilder.__file__)"
    environment = os.environ | {"PYTHONPATH": str(site)}
    run = {"cwd": empty, "env": environment, "capture_output": True, "text": True}
    found = subprocess.run([sys.executable, "-c", where], **run)  # type: ignore[call-overload]
    assert found.stdout.startswith(str(site))
    listed = seobuilder_cli("nothing", folder=empty, path=site, code=2)
    assert all(name in listed for name in recipe_names())
    assert "no problems" in seobuilder_cli("check", "search_intent", folder=empty, path=site)
    built = seobuilder_cli("search_intent", folder=empty, path=site)
    assert built.splitlines()[-1].startswith("healthy, 2.0 M parameters, report: ")
    assert "complete and unchanged" in seobuilder_cli(
        "verify", "builds/search_intent", folder=empty, path=site
    )


def seobuilder_cli(*arguments: str, folder: Path, path: Path | None = None, code: int = 0) -> str:
    """Output of a command line in a fresh process, with `path` first among the packages."""
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, "-c", "from seobuilder.cli.main import main; main()", *arguments]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ended.returncode == code, ended.stderr
    return ended.stdout or ended.stderr


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
