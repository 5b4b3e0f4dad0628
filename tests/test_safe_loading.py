"""Nothing in the repository opens a file or starts a command in a way that could run what somebody else wrote."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("usrda_plugin", "benchmarks", "demo")

# called by any of these names, whatever they are imported from
NEVER = {
    "eval": "runs what it is given",
    "exec": "runs what it is given",
    "unsafe_load": "builds any object",
    "full_load": "builds more than plain values",
    "Unpickler": "a pickle runs code",
    "read_pickle": "a pickle runs code",
    "system": "a command line for a shell",
    "popen": "a command line for a shell",
    "getoutput": "a command line for a shell",
    "getstatusoutput": "a command line for a shell",
}
MODULES = dict.fromkeys(("pickle", "cPickle", "dill", "joblib", "marshal", "shelve"), "runs what is in the file")
READING = ("load", "loads", "open")
SAFE_LOADERS = ("SafeLoader", "CSafeLoader")


def faults(text: str) -> list[str]:
    """What a source must not do, a line each."""
    tree = ast.parse(text)
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    imported = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in MODULES)
    found = [f"{node.lineno}: {node.module}: import the module, so that its calls are seen" for node in imported]
    return [*found, *(f"{call.lineno}: {why}" for call in calls for why in of_call(call))]


def of_call(call: ast.Call) -> Iterator[str]:
    """Why a call is refused."""
    owner, name = named(call.func)
    said = {keyword.arg: keyword.value for keyword in call.keywords}
    others = (name == "eval" and owner) or (name == "system" and owner != "os")  # network.eval, platform.system
    if name in NEVER and not others:
        yield f"{name}: {NEVER[name]}"
    if owner in MODULES and name in READING:
        yield f"{owner}.{name}: {MODULES[owner]}"
    opens = (owner, name) == ("torch", "load") or name in ("load_state_dict_from_url", "load_url")
    if opens and not is_constant(said.get("weights_only"), True):
        yield f"{name}: without weights_only=True"
    if (owner, name) in (("yaml", "load"), ("yaml", "load_all")) and last_name(said.get("Loader")) not in SAFE_LOADERS:
        yield "yaml.load: not with a safe loader"
    for keyword in ("shell", "allow_pickle"):
        if keyword in said and not is_constant(said[keyword], False):
            yield f"{name}: {keyword}"


def named(function: ast.expr) -> tuple[str, str]:
    """What a called function belongs to, and its name."""
    if isinstance(function, ast.Attribute):
        return last_name(function.value), function.attr
    return "", last_name(function)


def last_name(node: ast.expr | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else "" if node is None else "(other)"


def is_constant(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_no_source_opens_or_starts_anything_unsafely() -> None:
    files = [ROOT / "setup.py", *(file for folder in SOURCES for file in sorted((ROOT / folder).rglob("*.py")))]
    assert len(files) > 150
    told = {str(file.relative_to(ROOT)): faults(file.read_text(encoding="utf-8")) for file in files}
    assert {name: lines for name, lines in told.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(file)",
        "torch.load(file, map_location='cpu')",
        "torch.load(file, weights_only=False)",
        "torch.load(file, weights_only=wish)",
        "torch.hub.load_state_dict_from_url(URL)",
        "pickle.load(file)",
        "pickle.loads(content)",
        "pickle.Unpickler(file).load()",
        "from pickle import load",
        "shelve.open(file)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.load(text, Loader=yaml.FullLoader)",
        "yaml.unsafe_load(text)",
        "yaml.full_load(text)",
        "eval(text)",
        "exec(text)",
        "builtins.exec(text)",
        "subprocess.run(text, shell=True)",
        "subprocess.run(text, shell=wish)",
        "os.system(text)",
        "os.popen(text)",
        "np.load(file, allow_pickle=True)",
        "numpy.load(file, allow_pickle=wish)",
    ],
)
def test_a_planted_fault_is_seen(line: str) -> None:
    assert len(faults(f"def later():\n    {line}\n")) == 1


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(file, map_location='cpu', weights_only=True, mmap=wish)",
        "network.eval()",
        "platform.system()",
        "yaml.load(text, Loader=SafeLoader)",
        "yaml.safe_load(text)",
        "subprocess.run([command], check=True)",
        "np.load(file)",
        "json.load(file)",
        "pickle.UnpicklingError()",
    ],
)
def test_what_is_safe_passes(line: str) -> None:
    assert faults(line) == []
