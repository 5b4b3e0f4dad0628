"""Weights are read without running what is in a file, and the wanted ones are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from usrda_plugin.archs.opening import identify
from usrda_plugin.weights import Chosen, choose, read_tensors


def read_weights(file: Path, param_key: str | None = None) -> Chosen:
    return choose(read_tensors(file), param_key)


ONE, TWO, THREE = ({"w": torch.full((1,), float(value))} for value in (1, 2, 3))


def saved(folder: Path, content: Any, name: str = "net.pth") -> Path:
    torch.save(content, folder / name)
    return folder / name


@pytest.mark.parametrize(
    ("content", "param_key", "value", "key"),
    [
        ({"params": ONE, "params_ema": TWO}, None, 2.0, "params_ema"),
        ({"params": ONE, "params_ema": TWO}, "params", 1.0, "params"),
        ({"params": ONE, "optimizer": THREE}, None, 1.0, "params"),
        ({"state_dict": THREE, "epoch": 3}, None, 3.0, "state_dict"),
        (ONE, None, 1.0, ""),
        ({"params": ONE, "params-ema": TWO}, None, 2.0, "params-ema"),
        ({"params": ONE, "Params_EMA": TWO}, None, 2.0, "Params_EMA"),
        ({"params": ONE, "params-ema": TWO}, "params", 1.0, "params"),
        ({"model": ONE, "model_ema": TWO, "epoch": 3}, None, 2.0, "model_ema"),
        ({"g_ema": TWO, "g": ONE, "d": THREE}, None, 2.0, "g_ema"),
        ({"discriminator": ONE, "generator": TWO}, None, 2.0, "generator"),
        ({"model": {"discriminator": ONE, "generator": TWO}}, None, 2.0, "model.generator"),
        ({"state_dict": {"one.w": ONE["w"], "two.w": TWO["w"]}}, "two", 2.0, "two"),
    ],
)
def test_the_average_is_preferred_then_params_then_the_only_ones(
    tmp_path: Path, content: Any, param_key: str | None, value: float, key: str
) -> None:
    found = read_weights(saved(tmp_path, content), param_key)
    assert list(found.weights) == ["w"]
    assert found.weights["w"].item() == value
    assert found.key == key


def test_numbers_beside_a_network_are_not_taken_for_it(tmp_path: Path) -> None:
    numbers = {"epoch": torch.tensor(3), "mean": {"rgb": torch.zeros(3)}, "params_ema": {"decay": torch.tensor(0.9)}}
    for name in ("net", "of_somebody", "params"):
        found = read_weights(saved(tmp_path, {**numbers, name: {"conv.w": ONE["w"]}}))
        assert (list(found.weights), found.key) == (["conv.w"], name)


def test_safetensors_hold_weights_and_a_description_in_their_metadata(tmp_path: Path) -> None:
    description = {"type": "RRDBNet", "scale": 2}
    save_file(ONE, tmp_path / "flat.safetensors", {"network": json.dumps(description)})
    content = read_tensors(tmp_path / "flat.safetensors")
    assert content["w"].item() == 1
    assert content["network"] == description
    both = {"params.w": ONE["w"], "params_ema.w": TWO["w"]}
    save_file(both, tmp_path / "both.safetensors")
    assert read_weights(tmp_path / "both.safetensors").weights["w"].item() == 2
    assert read_weights(tmp_path / "both.safetensors", "params").weights["w"].item() == 1


class Harmful:
    """What a file must not do when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.mark,)


def test_code_in_a_file_is_refused_and_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "it_ran"
    file = saved(tmp_path, {"params": ONE, "more": Harmful(mark)})
    torch.load(file, weights_only=False)
    assert mark.exists()  # the file is as harmful as it should be
    mark.unlink()
    with pytest.raises(ValueError, match="could run code") as refusal:
        read_weights(file)
    assert str(file) in str(refusal.value)
    assert not mark.exists()


def test_what_is_no_file_of_weights_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights at all")
    (tmp_path / "empty.pth").touch()
    whole = saved(tmp_path, {"params": {"w": torch.zeros(1000)}}, "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.safetensors").write_text("no weights at all")
    saved(tmp_path, [1, 2], "list.pth")
    saved(tmp_path, {"epoch": 3}, "numbers.pth")
    saved(tmp_path, {"one": ONE, "two": TWO}, "several.pth")
    save_file(ONE, tmp_path / "strange.safetensors", {"network": "no JSON"})
    expected = {
        "text.pth": "found something else (it begins with",
        "empty.pth": "found an empty file",
        "cut.pth": "found a damaged or other file",
        "text.safetensors": "found something else",
        "list.pth": "expected tensors by name, found something else (a list)",
        "numbers.pth": "found only 'epoch'",
        "several.pth": "choose one of 'one', 'two' by --param-key",
        "strange.safetensors": "expected JSON",
    }
    for name, message in expected.items():
        with pytest.raises(ValueError, match="expected") as fault:
            identify(tmp_path / name)
        assert message in str(fault.value)
    with pytest.raises(ValueError, match="expected weights below 'params_ema', found 'one', 'two'"):
        read_weights(tmp_path / "several.pth", "params_ema")
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(FileNotFoundError, match="a folder"):
        read_weights(tmp_path)
