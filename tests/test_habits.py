"""What is checked by hand, before a commit and by continuous integration is the same; what is said twice agrees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import usrda_plugin

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def read(file: str) -> str:
    """A file of the repository; git alone brings those whose names begin with a dot."""
    if not (ROOT / file).is_file():
        pytest.skip(f"no {file} here")
    return (ROOT / file).read_text(encoding="utf-8")


def test_the_workflow_runs_the_commands_of_continuous_integration_on_every_python() -> None:
    job = yaml.safe_load(read(".github/workflows/test.yml"))["jobs"]["test"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == re.findall(r"^make .+$", read(".ci/run"), re.MULTILINE)
    always = [step["run"] for step in job["steps"] if "run" in step and "if" not in step]
    assert always == ["make test"]
    lowest, beyond = map(int, re.findall(r"3\.(\d+)", re.search(r"python_requires=.*", read("setup.py"))[0])[:2])
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(lowest, beyond)]


def test_the_hooks_before_a_commit_are_the_checks_before_the_tests() -> None:
    (repository,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    before_the_tests = re.search(r"^check: ([a-z ]+)", MAKEFILE, re.MULTILINE)[1].split()
    assert [hook["entry"] for hook in repository["hooks"]] == [f"make {target}" for target in before_the_tests]


def test_the_citation_is_of_this_version_and_of_the_paper() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == usrda_plugin.__version__
    (paper,) = citation["references"]
    assert [author["family-names"] for author in paper["authors"]] == ["Wang", "Zhang", "Yuan", "Wang"]
    assert (paper["year"], paper["start"], paper["end"]) == (2021, 4318, 4327)


def test_type_checkers_of_others_see_our_types() -> None:
    assert (Path(usrda_plugin.__file__).parent / "py.typed").is_file()
    assert '"py.typed"' in read("setup.py")


def test_every_tool_of_development_is_pinned() -> None:
    asked = re.search(r'"dev": \[(.*?)\]', read("setup.py"), re.DOTALL)[1]
    pinned = re.findall(r"^([\w-]+)==", read("constraints.txt"), re.MULTILINE)
    assert set(re.findall(r'"([\w-]+)"', asked)) <= set(pinned)
