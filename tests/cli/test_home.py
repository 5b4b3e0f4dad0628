"""Nothing is read, written or needed in the user's home, and nothing of its caches is unpickled."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

OptionFile = Callable[..., Path]

# the commands in one process; what is opened or made below FORBIDDEN ends it
COMMANDS = """
import os
import sys

forbidden = os.environ["FORBIDDEN"]

def watch(event, arguments):
    if event in ("open", "os.mkdir", "os.listdir", "os.scandir", "os.rename") and forbidden in str(arguments[0]):
        sys.stderr.write(f"{event} {arguments[0]}\\n")
        os._exit(3)

sys.addaudithook(watch)
from usrda_plugin.cli import basicsr, usrda

for command, *line in (
    (basicsr, "train", "-opt", "options/tiny.yml"),
    (basicsr, "test", "-opt", "options/test.yml"),
    (usrda, "upscale", "--weights", "experiments/tiny/models/net_g_latest.pth", "--input", "lr", "--output", "up"),
    (usrda, "lmdb", "make", "--input", "lr", "--output", "lr.lmdb"),
    (usrda, "lmdb", "verify", "lr.lmdb"),
    (usrda, "doctor"),
):
    code = command.main(line)
    assert code == 0, (line, code)
print("yapf" in sys.modules, sys.modules["mmengine"].Config)
"""
# as a user whom no /etc/passwd knows; the right to read all files stays, as this Python may lie in root's home
STRANGER = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "--inh-caps=+dac_override",
            "--ambient-caps=+dac_override"]  # fmt: skip


@pytest.fixture
def place(workshop: Path, option_file: OptionFile) -> Path:
    """Where all of the commands can run."""
    options = yaml.safe_load(option_file(datasets={"train": {"num_worker_per_gpu": 1}}).read_text())
    held_out = {**options["datasets"]["val"], "name": "held_out"}
    weights = {"pretrain_network_g": "experiments/tiny/models/net_g_latest.pth"}
    tested = {**options, "name": "tested", "datasets": {"test": held_out}, "path": weights}
    tested["val"] = {"save_img": True, "metrics": {"psnr": options["val"]["metrics"]["psnr"]}}
    del tested["train"], tested["logger"]
    (workshop / "options" / "test.yml").write_text(yaml.safe_dump(tested))
    return workshop


def run(place: Path, environment: dict[str, str], *prefix: str) -> str:
    """What the commands print in this environment alone."""
    named = {
        "PATH": os.environ["PATH"],
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "FORBIDDEN": "/no/home",
    }
    done = subprocess.run(
        [*prefix, sys.executable, "-c", COMMANDS],
        cwd=place,
        env={**named, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Malicious:
    """Unpickled, it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_no_command_opens_anything_in_the_home(place: Path, tmp_path: Path) -> None:
    home, trace = tmp_path / "home", tmp_path / "unpickled"
    environment = {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache"), "XDG_CONFIG_HOME": str(home / ".config")}
    # where yapf keeps its grammars
    grammars = home / ".cache" / "YAPF" / version("yapf")
    grammars.mkdir(parents=True)
    for name, content in (("Grammar", pickle.dumps(Malicious(trace))), ("PatternGrammar", b"")):
        (grammars / f"{name}-py{'.'.join(map(str, sys.version_info))}.pickle").write_bytes(content)
    before = sorted(home.rglob("*"))
    told = run(place, {**environment, "FORBIDDEN": str(home)})
    assert told.splitlines()[-1].startswith("False")
    assert not trace.exists()
    assert sorted(home.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs the right to become another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_a_user_without_home_and_name_can_run_every_command(place: Path) -> None:
    place.chmod(0o777)
    run(place, {}, *STRANGER)
    assert not (place / "~").exists()


def test_formatting_by_mmengine_still_works_for_others() -> None:
    code = """
import sys
import usrda_plugin.before_mmengine
from mmengine.config import Config
assert "yapf" not in sys.modules
assert Config({"a": {"b": 1}}).pretty_text == "a = dict(b=1)\\n"
assert "yapf" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
