"""What is imported when: help at once and without torch, and each public module by itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import usrda_plugin

PACKAGE = Path(usrda_plugin.__file__).parent

HEAVY = {"torch", "torchvision", "basicsr", "numpy", "cv2", "PIL", "mmengine", "scipy", "lmdb", "pydantic"}

COMMAND = f"""
import sys
from importlib import import_module
program, *arguments = sys.argv[1:]
try:
    code = import_module(f"usrda_plugin.cli.{{program}}").main(arguments)
except SystemExit as end:
    code = end.code or 0
print("exit code", code)
print("heavy", sorted({HEAVY} & set(sys.modules)))
"""


def python(code: str, *arguments: str) -> str:
    """What a fresh interpreter prints for this program; its warnings are errors."""
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("usrda --version", 0),
        ("usrda --help", 0),
        ("usrda doctor --help", 0),
        ("usrda init --help", 0),
        ("usrda init options --scale two", 2),
        ("usrda upscale --help", 0),
        ("usrda camera --help", 0),
        ("usrda camera estimate --help", 0),
        ("usrda camera apply --help", 0),
        ("usrda camera estimate photos", 2),
        ("usrda gap --help", 0),
        ("usrda compare --help", 0),
        ("usrda report --help", 0),
        ("usrda lmdb --help", 0),
        ("usrda lmdb make --help", 0),
        ("usrda lmdb verify --help", 0),
        ("usrda", 2),
        ("usrda upscale --weights x.pth --input y --tile many", 2),
        ("usrda gap --source hr --target photos --scale 0", 2),
        ("basicsr --version", 0),
        ("basicsr --help", 0),
        ("basicsr train --help", 0),
        ("basicsr test --help", 0),
        ("basicsr train", 2),
    ],
)
def test_help_and_faults_of_arguments_import_nothing_heavy(line: str, code: int) -> None:
    told = python(COMMAND, *line.split()).splitlines()
    assert told[-2:] == [f"exit code {code}", "heavy []"]


def test_importing_the_package_imports_and_changes_nothing() -> None:
    code = f"""
import sys
hooks = list(sys.meta_path), list(sys.path_hooks)
import usrda_plugin
print(sorted(({HEAVY} | {{"rich"}}) & set(sys.modules)), hooks == (sys.meta_path, sys.path_hooks))
print("USRDANet" in dir(usrda_plugin), hasattr(usrda_plugin, "USRDANothing"))
"""
    assert python(code).split("\n")[:2] == ["[] True", "True False"]


def test_the_method_needs_torch_alone_and_patches_nothing() -> None:
    told = python("import sys, usrda_plugin.method; print({'basicsr', 'torchvision', 'cv2'} & set(sys.modules))")
    assert told == "set()\n"


@pytest.mark.parametrize(
    "first", ["usrda_plugin.USRDAModel", pytest.param("usrda_plugin.register()", marks=pytest.mark.slow)]
)
def test_registering_or_touching_a_name_makes_basicsr_know_our_classes(first: str) -> None:
    code = f"""
import usrda_plugin
{first}
from basicsr.utils import registry
from basicsr.models.base_model import BaseModel
for kind, name in (("ARCH", "USRDANet"), ("DATASET", "USRDADataset"), ("LOSS", "USRDAAlignLoss"),
                   ("METRIC", "calculate_usrda_niqe"), ("MODEL", "USRDAModel")):
    assert vars(registry)[kind + "_REGISTRY"].get(name)
assert hasattr(BaseModel.load_network, "__wrapped__"), "the patches are missing"
"""
    python(code)


def test_each_package_that_imports_basicsr_mends_it_first() -> None:
    importers = {
        folder
        for folder in PACKAGE.iterdir()
        if any(re.search("^(from|import) basicsr", file.read_text(), re.M) for file in folder.rglob("*.py"))
    }
    assert {"archs", "data", "models"} <= {folder.name for folder in importers}
    for folder in importers:
        imports = re.findall("^(?:from|import) .+", (folder / "__init__.py").read_text(), re.M)
        assert imports[0].startswith("import usrda_plugin.before_basicsr"), folder


@pytest.mark.parametrize(
    "statement",
    [
        "from usrda_plugin.archs.opening import open_network; from usrda_plugin.inference import Upscaler",
        *(
            pytest.param(statement, marks=pytest.mark.slow)
            for statement in (
                "from usrda_plugin.inference import Upscaler",
                "from usrda_plugin.data import make_lmdb",
                "from usrda_plugin.archs.networks import USRDADiscriminator",
                "from usrda_plugin.losses import find_vgg_weights",
                "from usrda_plugin.metrics import niqe",
                "from usrda_plugin.monitoring.monitor import Monitor",
                "from usrda_plugin.training.launch import train",
                "from usrda_plugin.options import load_options",
                "from usrda_plugin.compat import patch_states",
                "from usrda_plugin.cli import adapt, camera, compare, doctor, gap, init, lmdb, report, upscale",
                "from usrda_plugin.evaluation import measure_gap",
                "from usrda_plugin.reports import write_report",
            )
        ),
    ],
)
def test_each_module_can_be_the_first_one_imported(statement: str) -> None:
    python(statement)
