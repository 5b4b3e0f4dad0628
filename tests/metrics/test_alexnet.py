"""AlexNet's weights: where they are searched, when they are downloaded, and what is told where they are not there."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from usrda_plugin.metrics import calculate_usrda_lpips, fetch_alexnet_weights, find_alexnet_weights, read_alexnet
from usrda_plugin.metrics.lpips import URL


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of torchvision's file in an empty torch hub; no file is named in the environment."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.delenv("USRDA_ALEXNET_WEIGHTS", raising=False)
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    return tmp_path / "hub/checkpoints" / URL.rpartition("/")[2]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


def test_the_named_file_comes_first_then_the_environment_then_torch_hub(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_alexnet_weights() is None
    named, in_environment = tmp_path / "named.pth", tmp_path / "environment.pth"
    for file in (cache, named, in_environment):
        file.touch()
    assert find_alexnet_weights() == fetch_alexnet_weights() == cache
    monkeypatch.setenv("USRDA_ALEXNET_WEIGHTS", str(in_environment))
    assert find_alexnet_weights() == in_environment
    assert find_alexnet_weights(str(named)) == named


def test_a_named_file_that_is_not_there_is_told_and_nothing_else_taken(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.touch()
    with pytest.raises(ValueError, match=r"(?s)none\.pth, found no such file; give .*weights.*USRDA_ALEXNET_WEIGHTS"):
        fetch_alexnet_weights(str(tmp_path / "none.pth"))
    monkeypatch.setenv("USRDA_ALEXNET_WEIGHTS", str(tmp_path))
    with pytest.raises(ValueError, match=r"\(\$USRDA_ALEXNET_WEIGHTS\), found a folder"):
        fetch_alexnet_weights()


def test_what_is_nowhere_is_downloaded_once_and_its_hash_checked(
    cache: Path, alexnet_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads = []

    def download(url: str, file: str, hash_prefix: str | None, progress: bool) -> None:
        downloads.append((url, hash_prefix))
        alexnet_in(Path(file))

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert fetch_alexnet_weights() == fetch_alexnet_weights() == cache
    assert downloads == [(URL, "7be5be79")]


def test_without_weights_and_network_the_message_says_all(cache: Path, no_network: None, textured) -> None:
    with pytest.raises(ValueError, match="LPIPS needs the weights of AlexNet") as caught:
        calculate_usrda_lpips(textured, textured, 0)
    told = str(caught.value)
    for part in (str(cache), "found no such file", URL, "Name or service not known", "$USRDA_ALEXNET_WEIGHTS"):
        assert part in told


def test_a_damaged_download_is_told_and_says_nothing_where_results_are_printed(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def damaged(*_: object, **__: object) -> None:
        raise RuntimeError('invalid hash value (expected "7be5be79", got "00")')

    monkeypatch.setattr(torch.hub, "download_url_to_file", damaged)
    with pytest.raises(ValueError, match="invalid hash value"):
        fetch_alexnet_weights()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_weights_of_any_precision_full_or_features_only_are_read(dtype: torch.dtype, alexnet_in, tmp_path) -> None:
    file = alexnet_in(tmp_path / "alexnet.pth", dtype, {"classifier.1.bias": torch.zeros(4096)})
    saved, read = torch.load(file, weights_only=True), read_alexnet(file)
    assert sorted(read) == sorted(f"{layer}.{name}" for layer in (0, 3, 6, 8, 10) for name in ("bias", "weight"))
    for key, value in read.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, saved[f"features.{key}"].float())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"params": torch.zeros(3)}, r"features\.0\.weight of shape \(64, 3, 11, 11\).*found it missing"),
        ({"features.0.weight": torch.zeros(64, 3, 3, 3)}, r"found it of shape \(64, 3, 3, 3\)"),
        ([torch.zeros(3)], r"found something else \(a list\)"),
    ],
)
def test_weights_of_another_network_are_refused(content: object, told: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=rf"other\.pth: expected {told}" if "shape \\(64, 3, 11" in told else told):
        read_alexnet(tmp_path / "other.pth")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.pth").write_text("no weights")
    with pytest.raises(
        ValueError, match=r"notes\.pth: expected a file of torch\.save or safetensors, found something else"
    ):
        read_alexnet(tmp_path / "notes.pth")
