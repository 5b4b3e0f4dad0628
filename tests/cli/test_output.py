"""Output that cannot be written: a message or nothing, an exit code, and never a traceback."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from usrda_plugin.cli import basicsr
from usrda_plugin.cli.exits import run_command

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
PRINTING = """
import argparse, sys
from usrda_plugin.cli.exits import run_command
sys.exit(run_command("usrda", argparse.ArgumentParser, lambda chosen: print(%s), []))
"""


def command(program: str, *arguments: str) -> list[str]:
    return [
        sys.executable,
        "-c",
        f"import sys; from usrda_plugin.cli.{program} import main; sys.exit(main())",
        *arguments,
    ]


@needs_full
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "line", [command("usrda", "--help"), command("basicsr", "--version"), [sys.executable, "-c", PRINTING % "'x' * 9"]]
)
def test_a_full_disk_behind_the_output_is_told(line: list[str], unbuffered: str) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, env=unbuffered_as(unbuffered))
    assert done.returncode == 1
    assert done.stderr.endswith(": the output cannot be written: [Errno 28] No space left on device\n")
    assert len(done.stderr.splitlines()) == 1


@needs_full
def test_the_doctor_tells_of_a_full_disk() -> None:
    with FULL.open("w") as full:
        done = subprocess.run(command("usrda", "doctor"), stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (
        1, "usrda: the output cannot be written: [Errno 28] No space left on device\n"
    )  # fmt: skip


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_pipe_that_nobody_reads_ends_the_command_quietly(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", PRINTING % "'x' * 9"],
            stdout=writer, stderr=subprocess.PIPE, text=True, env=unbuffered_as(unbuffered),
        )  # fmt: skip
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_name_that_the_terminal_cannot_spell_is_printed_in_escapes(encoding: str) -> None:
    # the last is how Python holds the byte 0xff in the name of a file
    line = [sys.executable, "-c", PRINTING % "'\\u6f22\\udcff'"]
    done = subprocess.run(line, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    han = "\u6f22".encode() if encoding == "utf-8" else b"\\u6f22"
    assert done.stdout == han + b"\\udcff\n"


def test_an_unforeseen_fault_of_a_file_stays_a_traceback() -> None:
    def run(chosen: argparse.Namespace) -> None:
        raise FileNotFoundError(2, "No such file", "a.png")

    with pytest.raises(FileNotFoundError):
        run_command("usrda", argparse.ArgumentParser, run, [])


def test_the_version_is_told_without_basicsr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(basicsr, "version", missing)
    with pytest.raises(SystemExit, match=r"^0$"):
        basicsr.main(["--version"])
    assert "basicsr not installed" in capsys.readouterr().out


def test_a_command_that_needs_basicsr_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    def run(chosen: argparse.Namespace) -> None:
        raise ModuleNotFoundError("No module named 'basicsr'", name="basicsr")

    assert run_command("usrda", argparse.ArgumentParser, run, []) == 2
    assert capsys.readouterr().err == "usrda: expected BasicSR, found no module basicsr; pip install basicsr\n"


def unbuffered_as(value: str) -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": value}
