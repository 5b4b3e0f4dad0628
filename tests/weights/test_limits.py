"""A file cannot ask for more than it holds, nor speak to the terminal, nor have another file opened."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from safetensors.torch import save_file

from usrda_plugin.archs.opening import open_network
from usrda_plugin.weights import UnreadableFileError, fit, limits, read_tensors


def rrdbnet() -> RRDBNet:
    torch.manual_seed(3)
    return RRDBNet(3, 3, num_feat=4, num_block=1, num_grow_ch=2)


def repacked(file: Path, **inside: bytes) -> Path:
    """The same file with its entries deflated, and others beside them."""
    packed = file.with_name("packed.pth")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        for name, content in inside.items():
            new.writestr(f"net/data/{name}", content)
    return packed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save({"params": rrdbnet().state_dict()}, tmp_path / "net.pth")
    return tmp_path / "net.pth"


def test_compressed_entries_are_opened_as_they_were(file: Path) -> None:
    for mapped in (False, True):
        found = fit(rrdbnet(), read_tensors(repacked(file), mapped=mapped), "params").weights
        assert all(torch.equal(value, found[name]) for name, value in rrdbnet().state_dict().items())


def test_a_file_that_would_unpack_to_much_more_is_refused_at_once(file: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"would unpack to 0\.1 GiB"):
        read_tensors(repacked(file, bomb=bytes(2**27)), mapped=True)


def test_what_does_not_fit_into_memory_is_refused_before_it_is_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"w": torch.zeros(2**25)}, file)
    monkeypatch.setattr(limits, "free_memory", lambda: 2**26)
    with pytest.raises(UnreadableFileError, match=r"needs 0\.1 GiB of memory"):
        read_tensors(file)
    assert read_tensors(file, mapped=True)["w"].shape == (2**25,)


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (torch.zeros(1).expand(10**12), "made out of 4 bytes"),
        (torch.sparse_coo_tensor([[0]], [1.0], (10**12,), check_invariants=True), "a sparse or nested tensor"),
        (torch.zeros(3, device="meta"), "a meta tensor"),
    ],
)
def test_tensors_that_are_not_what_they_say_are_refused(odd: torch.Tensor, said: str, file: Path) -> None:
    torch.save({"params": {"w": odd}}, file)
    with pytest.raises(UnreadableFileError, match=said):
        read_tensors(file)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_tensors_without_one_shape_are_refused(file: Path) -> None:
    torch.save({"w": torch.nested.nested_tensor([torch.zeros(1), torch.zeros(2)], layout=torch.strided)}, file)
    with pytest.raises(UnreadableFileError, match="a sparse or nested tensor"):
        read_tensors(file)


@pytest.mark.parametrize("number", ["99999999999", "99999999.rdb1.conv1", "9" * 6000])
@pytest.mark.parametrize("others", [{}, rrdbnet().state_dict()])
def test_a_number_in_a_name_is_not_counted_up_to(number: str, others: dict[str, Any], file: Path) -> None:
    torch.save({**others, f"body.{number}.weight": torch.zeros(4, 4, 3, 3)}, file)
    with pytest.raises(ValueError, match="expected"):
        open_network(file)


@pytest.mark.parametrize(
    "description",
    [
        {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_block": 4000},
        {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4000},
        {"type": "USRDANet", "num_block_lr_decoder": 4000},
        {"type": "SRVGGNetCompact", "num_conv": 4000, "num_feat": 4000},
    ],
)
def test_a_description_cannot_ask_for_a_larger_network_than_the_file_holds(
    description: dict[str, Any], file: Path
) -> None:
    torch.save({"params": rrdbnet().state_dict(), "network": description}, file)
    with pytest.raises(ValueError, match="far larger than its"):
        open_network(file)


def doubled(value: Any, times: int = 60) -> Any:
    """A value in a list of two, which are one and the same, and so on: 2**60 of it for whoever copies or shows it."""
    for _ in range(times):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (10**9, "0 to 4096"),
        (10**30, "0 to 4096"),
        (-1, "0 to 4096"),
        ("/etc/passwd", "a number"),
        ([3], "a number"),
        (doubled(3), "a number"),
        (torch.tensor(3), None),
    ],
)
def test_a_description_has_plain_values_of_some_size(value: Any, expected: str | None, file: Path) -> None:
    description = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": value}
    torch.save({"params": rrdbnet().state_dict(), "network": description}, file)
    if expected is None:  # what holds tensors describes nothing
        open_network(file)
        return
    with pytest.raises(ValueError, match=f"expected {expected} for 'num_feat' in the file's own description"):
        open_network(file)


def test_a_description_chooses_text_out_of_what_is_known(file: Path) -> None:
    for description, expected in (
        ({"type": "SRVGGNetCompact", "act_type": "/etc/passwd"}, "one of prelu, relu, leakyrelu for 'act_type'"),
        ({"type": "USRDANet", "encoder": "/etc/passwd"}, "one of conv, rrdb, trunk for 'encoder'"),
        ({"type": doubled("RRDBNet")}, "a registered network"),
        ({"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 0}, "weights of RRDBNet"),
    ):
        torch.save({"params": rrdbnet().state_dict(), "network": description}, file)
        with pytest.raises(ValueError, match=f"expected {expected}"):
            open_network(file)


def test_options_that_a_network_does_not_check_are_told_in_a_line(file: Path) -> None:
    torch.save(rrdbnet().state_dict(), file)
    for description in (
        {"type": "SRVGGNetCompact", "act_type": "gelu"},
        {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 10**30},
    ):
        with pytest.raises(ValueError, match=r"cannot be built: \w+") as refusal:
            open_network(file, description=description)
        assert str(refusal.value).isprintable()


def test_containers_that_stand_in_many_places_are_looked_at_in_some(file: Path) -> None:
    content: Any = {"w": torch.zeros(1)}
    for _ in range(4):
        content = {f"key{number}": content for number in range(300)}
    torch.save(content, file)
    for attempt in (lambda: open_network(file), lambda: fit(rrdbnet(), read_tensors(file), "params")):
        with pytest.raises(ValueError, match="expected"):
            attempt()
    torch.save({"network": content, "params": rrdbnet().state_dict()}, file)
    open_network(file)


def test_more_tensors_than_networks_have_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_TENSORS", 5)
    save_file({str(number): torch.zeros(1) for number in range(6)}, file)
    with pytest.raises(UnreadableFileError, match="found 6 tensors; no network for images has so many"):
        read_tensors(file)


def test_a_list_of_contents_is_no_longer_than_weights_need(file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", b"\x80\x02}X\x06\x00\x00\x00params](" + b"N" * 2**23 + b"es.")
    with pytest.raises(UnreadableFileError, match="a list of contents of 8,388,"):
        read_tensors(file)


def test_a_description_opens_no_other_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = file.with_name("other.pth")
    torch.save({"params": {}}, other)
    monkeypatch.setattr("usrda_plugin.archs.opening._construct", lambda *_: pytest.fail("it was built"))
    for description in ({"type": "SpyNet", "load_path": str(other)}, {"type": "BasicVSR", "spynet_path": str(other)}):
        torch.save({"params": rrdbnet().state_dict(), "network": description}, file)
        with pytest.raises(ValueError, match=r"a file cannot ask for by itself; .*--opt"):
            open_network(file)


def test_codes_in_names_do_not_reach_the_terminal(file: Path) -> None:
    evil = "\x1b[31mred\n\u202e\x07"
    contents: list[Any] = [
        {"params": {evil: torch.zeros(2)}},
        {evil: [1]},
        {evil: {"w": torch.zeros(1)}, f"{evil}2": {"w": torch.zeros(1)}},
        {"params": {"w": torch.zeros(1)}, "network": {"type": evil}},
        {"params": {"w": torch.zeros(1)}, "network": {"type": "RRDBNet", evil: evil, "num_in_ch": evil}},
    ]
    for content in contents:
        torch.save(content, file)
        for attempt in (lambda: open_network(file), lambda: fit(rrdbnet(), read_tensors(file), "params")):
            with pytest.raises(ValueError, match="expected") as refusal:
                attempt()
            assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\n<html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"GGUF\x03", "a GGUF file"),
        (b"\x08\x07\x12\x07pytorch", "an ONNX model"),
        (b"\x1f\x8b\x08", "unpack it"),
        (bytes(257) + b"ustar", "a tar archive"),
        (b"", "an empty file"),
    ],
)
def test_other_files_are_told_by_their_content(content: bytes, said: str, file: Path) -> None:
    file.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=said):
        read_tensors(file)


def test_archives_are_told_by_what_is_in_them(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", b"")
        archive.writestr("model/constants.pkl", b"")
    with pytest.raises(UnreadableFileError, match=r"TorchScript.*give the state dict"):
        read_tensors(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("program/archive_format", b"pt2")
        archive.writestr("program/models/model.json", b"{}")
    with pytest.raises(UnreadableFileError, match=r"exported program.*give the state dict"):
        read_tensors(file)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("net/data.pkl", b"")
    with pytest.raises(UnreadableFileError, match=r"as PyTorch cannot read it; pack it again"):
        read_tensors(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("net_g.pth", b"")
    with pytest.raises(UnreadableFileError, match=r"a zip archive of 'net_g\.pth'; unpack it"):
        read_tensors(file)
