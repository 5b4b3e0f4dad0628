"""``usrda compare`` and ``usrda report`` as a user meets them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch
import yaml
from basicsr.archs.srvgg_arch import SRVGGNetCompact

from tests.cli.conftest import sr_options
from usrda_plugin.cli import usrda
from usrda_plugin.cli.commands import compare, report


def save(file: str, seed: int = 0, scale: int = 2) -> None:
    torch.manual_seed(seed)
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    torch.save({"params": SRVGGNetCompact(num_feat=8, num_conv=1, upscale=scale).state_dict()}, file)


@pytest.fixture
def shop(workshop: Path) -> Path:
    """photos/, two networks, and a run of BasicSR as far as its folder tells."""
    (workshop / "lr").rename(workshop / "photos")
    save("start.pth")
    save("adapted.pth", 1)
    save("experiments/train_usrda/models/net_g_latest.pth", 2)
    (workshop / "experiments/train_usrda/train_usrda.yml").write_text(yaml.safe_dump(sr_options()))
    return workshop


def examples(text: str) -> list[list[str]]:
    return [shlex.split(line)[1:] for line in re.findall(r"^  (usrda .+)$", text, re.MULTILINE)]


@pytest.mark.parametrize("text", [compare.EXAMPLES, report.EXAMPLES])
def test_the_examples_of_the_help_run_one_after_the_other(text: str, shop: Path) -> None:
    assert len(examples(text)) == 3
    for arguments in examples(text):
        assert usrda.main([*arguments, "--device", "cpu"]) == 0
    pages = [*shop.glob("*.html"), *shop.rglob("report.html")]
    assert len(pages) == 2
    assert all(page.read_text().startswith("<!doctype html>") for page in pages)


def test_compare_says_what_it_did_and_what_it_left_out(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "photos/notes.txt").touch()
    (shop / "photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    line = ["compare", "start.pth", "adapted.pth", "--input", "photos", "-o", "a.html", "--device", "cpu"]
    assert usrda.main(line) == 0
    told = capsys.readouterr().err
    for text in ("left out: files of formats that are not read: 1 (1 .txt)", "left out: broken.png: expected",
                 "a.html: 4 places of 4 photographs"):  # fmt: skip
        assert text in told
    assert ">start</option>" in (shop / "a.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ("compare none.pth --input photos -o a.html", "no such file"),
        ("compare start.pth --input none -o a.html", "found nothing of that name"),
        ("compare start.pth --input photos -o photos", "found a folder"),
        ("compare start.pth --input photos -o there.html", "say --overwrite"),
        ("compare start.pth adapted.pth --input photos -o a.html --labels one", "a name for each network"),
        ("compare start.pth adapted.pth --input photos -o a.html --labels one one", "different --labels"),
        ("compare start.pth --input photos -o a.html --labels bicubic", "different --labels"),
        ("compare start.pth x4.pth --input photos -o a.html", "networks of one scale"),
        ("compare start.pth --input broken.png -o a.html", "no page was written"),
        ("compare start.pth --input photos -o a.html --device cuda:99", "cuda"),
        ("report none", "found nothing"),
        ("report photos", "found neither"),
        ("report experiments/train_usrda -o there.html", "say --overwrite"),
        ("report experiments/train_usrda --input broken.png -o a.html", "no photograph could be enlarged"),
    ],
)
def test_bad_input_is_one_message_and_no_page(
    arguments: str, fault: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save("x4.pth", scale=4)
    (shop / "there.html").write_text("mine")
    (shop / "broken.png").write_bytes(b"no picture")
    assert usrda.main(arguments.split()) == 2
    told = capsys.readouterr().err
    assert fault in told.splitlines()[-1]
    assert not (shop / "a.html").exists()
    assert (shop / "there.html").read_text() == "mine"
    assert not list(shop.rglob("*unfinished"))


def test_networks_of_one_name_are_told_apart_by_their_folders(shop: Path) -> None:
    save("a/net.pth")
    save("b/net.pth", 1)
    line = ["compare", "a/net.pth", "b/net.pth", "--input", "photos", "-o", "a.html", "--limit", "1", "--device", "cpu"]
    assert usrda.main(line) == 0
    text = (shop / "a.html").read_text()
    assert ">a/net.pth</option>" in text
    assert ">b/net.pth</option>" in text


def test_a_report_without_pictures_runs_no_network_and_says_so(shop: Path) -> None:
    (shop / "experiments/train_usrda/models/net_g_latest.pth").write_bytes(b"no network")
    assert usrda.main(["report", "experiments/train_usrda", "--no-pictures"]) == 0
    assert "No pictures here: --no-pictures was said" in (shop / "experiments/train_usrda/report.html").read_text()


def test_a_report_whose_photographs_are_gone_is_written_and_says_so(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert usrda.main(["report", "experiments/train_usrda", "--device", "cpu"]) == 0
    assert "no pictures: the network 'start' is not there; the photographs are not where" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_a_limit_that_is_none_is_refused(limit: str, shop: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        usrda.main(["report", "experiments/train_usrda", "--limit", limit])
    assert caught.value.code == 2
