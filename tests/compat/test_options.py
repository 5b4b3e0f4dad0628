"""Patches of the option reader, the command line, the registries and constructors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel
from basicsr.train import copy_opt_file
from basicsr.utils.options import ordered_yaml, parse_options
from basicsr.utils.registry import Registry


def test_an_option_file_cannot_run_code(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    attack = f"name: !!python/object/apply:os.mkdir ['{witness}']"
    with pytest.raises(yaml.constructor.ConstructorError):
        yaml.load(attack, Loader=ordered_yaml()[0])
    assert not witness.exists()
    yaml.load(attack, Loader=ordered_yaml.__wrapped__()[0])
    assert witness.exists(), "BasicSR's own loader is meant to fail this test"


def test_the_safe_reader_reads_and_writes_ordered_mappings() -> None:
    loader, dumper = ordered_yaml()
    read = yaml.load("b: 1\na: {d: [1, 2.5], c: ~}", Loader=loader)
    assert list(read) == ["b", "a"]
    assert list(read["a"]) == ["d", "c"]
    assert yaml.dump(read, Dumper=dumper, sort_keys=False) == "b: 1\na:\n  d:\n  - 1\n  - 2.5\n  c: null\n"


def test_local_rank_is_taken_in_both_spellings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "run.yml"
    file.write_text("{name: run, num_gpu: 0, manual_seed: 0, datasets: {}, path: {}, logger: {}}")
    monkeypatch.setattr(sys, "argv", ["basicsr", "--local-rank=3", "-opt", str(file)])
    with pytest.raises(SystemExit):
        parse_options.__wrapped__(str(tmp_path), is_train=True)
    _, arguments = parse_options(str(tmp_path), is_train=True)
    assert arguments.local_rank == 3
    assert sys.argv[1] == "--local-rank=3"


def test_the_command_line_is_recorded_as_one_comment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "run.yml"
    monkeypatch.setattr(sys, "argv", ["basicsr", "--force_yml", "name=a\nnum_gpu: 8"])
    (tmp_path / "copies").mkdir()

    def copied(copy: Any) -> Any:
        file.write_text("name: run\n")
        copy(str(file), str(tmp_path / "copies"))
        return yaml.safe_load((tmp_path / "copies" / "run.yml").read_text())

    assert copied(copy_opt_file.__wrapped__) == {"num_gpu": 8, "name": "run"}
    assert copied(copy_opt_file) == {"name": "run"}
    assert "# basicsr --force_yml 'name=a num_gpu: 8'" in (tmp_path / "copies" / "run.yml").read_text()


def test_the_same_options_build_a_dataset_twice(paired_options: dict[str, Any]) -> None:
    def unmended() -> Any:
        made = object.__new__(PairedImageDataset)
        PairedImageDataset.__init__.__wrapped__(made, paired_options)
        return made

    assert PairedImageDataset(paired_options)[0]["gt"].shape == (3, 16, 16)
    assert PairedImageDataset(paired_options)[0]["gt"].shape == (3, 16, 16)
    unmended()[0]
    with pytest.raises(KeyError, match="type"):
        unmended()[0]


def test_the_same_options_build_a_model_twice(model_options: dict[str, Any]) -> None:
    SRModel(model_options)
    SRModel(model_options)
    assert model_options["train"]["optim_g"]["type"] == "Adam"
    unmended = object.__new__(SRModel)
    BaseModel.__init__.__wrapped__(unmended, model_options)
    assert unmended.opt is model_options, "so what the model pops is gone for its caller"


@pytest.fixture
def registry() -> Any:
    return Registry("network")


def test_a_suffixed_name_is_found_in_silence(registry: Any, capsys: pytest.CaptureFixture[str]) -> None:
    registry._do_register("Net", dict, "basicsr")
    type(registry).get.__wrapped__(registry, "Net")
    assert "Net is not found" in capsys.readouterr().out
    assert registry.get("Net") is dict
    assert capsys.readouterr().out == ""


def test_an_unknown_name_brings_the_nearest_one(registry: Any, capsys: pytest.CaptureFixture[str]) -> None:
    registry._do_register("RealESRGANModel", dict, "basicsr")
    with pytest.raises(KeyError, match="No object named"):
        type(registry).get.__wrapped__(registry, "RealESRGanModel")
    with pytest.raises(KeyError) as caught:
        registry.get("RealESRGanModel")
    assert str(caught.value).startswith(
        "no network is registered under the name 'RealESRGanModel': did you mean 'RealESRGANModel'?"
    )


def test_a_name_like_no_other_brings_the_list(registry: Any) -> None:
    registry._do_register("SRModel", dict)
    with pytest.raises(KeyError, match="there are SRModel"):
        registry.get("zzz")


def test_the_same_class_registers_twice_but_another_does_not(registry: Any) -> None:
    def definition(module: str) -> type:
        return type("Net", (), {"__module__": module})

    registry.register(definition("one"))
    again = definition("one")
    with pytest.raises(AssertionError, match="already registered"):
        type(registry)._do_register.__wrapped__(registry, "Net", again)
    registry.register(again)
    assert registry.get("Net") is again
    with pytest.raises(ValueError, match=r"by one, and two registers another"):
        registry.register(definition("two"))
