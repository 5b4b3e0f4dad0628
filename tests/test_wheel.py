"""What the installed package has beside its code: option files, their schema, the folder of networks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from usrda_plugin.shipped import pretrained_folder, recipes_folder

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = ROOT / "options"
SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "usrda_plugin", "options")
EXPECTED = {str(file.relative_to(OPTIONS)): file for file in OPTIONS.rglob("*.*") if "demo" not in file.name}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a package is built of, in a folder of its own, as building leaves files behind; with a network to ship."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    for suffix in ("pth", "md"):
        (folder / f"usrda_plugin/pretrained/network.{suffix}").write_text(suffix)
    return folder


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, sources)
    (file,) = folder.glob("*.whl")
    return file


def run(code: str, place: Path, path: Path) -> str:
    """What a fresh interpreter prints in ``place``, with the packages of ``path`` before all others."""
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


WHERE = "import usrda_plugin.shipped as s; print(s.recipes_folder()); print(s.pretrained_folder())"
INIT = "import sys; from usrda_plugin.cli.usrda import main; sys.exit(main(['init', 'mine', '--scale', '2']))"


def test_a_checkout_has_its_option_files_where_they_are_edited() -> None:
    assert recipes_folder() == OPTIONS
    assert pretrained_folder() == ROOT / "usrda_plugin/pretrained"
    assert (pretrained_folder() / "README.md").is_file()


@pytest.mark.slow
def test_the_wheel_has_the_option_files_and_the_networks(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith(".py")}
        found = {name.removeprefix("usrda_plugin/recipes/"): name for name in names if "/recipes/" in name}
        assert set(found) == set(EXPECTED)
        assert {"train_adapt.yml", "_base_/validation_without_pairs.yml", "schema.json"} <= set(found)
        for name, source in EXPECTED.items():
            assert archive.read(found[name]) == source.read_bytes()
    networks = {name for name in names if "/pretrained/" in name}
    assert {f"usrda_plugin/pretrained/{name}" for name in ("README.md", "network.pth", "network.md")} <= networks


@pytest.mark.slow
def test_an_installed_wheel_finds_its_files_and_writes_option_files(wheel: Path, tmp_path: Path) -> None:
    pip("install", "--no-deps", "--target", tmp_path / "site", wheel)
    installed = tmp_path / "site/usrda_plugin"
    assert run(WHERE, tmp_path, installed.parent).split() == [
        str(installed / name) for name in ("recipes", "pretrained")
    ]
    assert "mine: 10 files of the recipe adapt at scale 2. Next:" in run(INIT, tmp_path, installed.parent)
    assert re.search(r"^scale: 2$", (tmp_path / "mine/train_adapt_x2.yml").read_text(), re.MULTILINE)


@pytest.mark.slow
def test_an_editable_install_finds_the_option_files_of_its_repository(sources: Path, tmp_path: Path) -> None:
    pip("install", "--no-deps", "--no-build-isolation", "--target", tmp_path / "site", "--editable", sources)
    code = f"import site; site.addsitedir({str(tmp_path / 'site')!r}); "
    found = run(code + first_of_all(sources) + WHERE, tmp_path, tmp_path / "site").split()
    assert found == [str(sources / "options"), str(sources / "usrda_plugin/pretrained")]


def first_of_all(sources: Path) -> str:
    """Code that leaves one editable finder of the package, this one, as other installations have theirs."""
    return (
        "import sys; sys.meta_path[:] = [f for f in sys.meta_path if '__editable__' not in getattr(f, '__module__', '')"
        f" or {str(sources)!r} in str(vars(sys.modules[f.__module__]).get('MAPPING'))]; "
    )
