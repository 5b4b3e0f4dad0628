"""The commands on roots that are damaged or unusual: refused with a message and exit code 2, or used."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.test_bad_input import check_refusal, edit, place  # noqa: F401 - a fixture
from tests.data.broken_lmdbs import REFUSED, VERIFIED
from tests.data.planted import DAMAGED, UNUSUAL, smooth
from usrda_plugin.cli import usrda
from usrda_plugin.cli.basicsr import main
from usrda_plugin.data import make_lmdb

Capture = pytest.CaptureFixture[str]
NAMES = ("two\nlines", "naïve 名前", "-rf", "'q\"uoted'", "b\udcff")


@pytest.mark.parametrize("root", ["hr", "target", "lr"])
@pytest.mark.parametrize("kind", ["no bytes", "JPEG cut off", "PNG cut off"])
def test_a_training_on_damaged_images_is_refused(kind: str, root: str, place: Path, capfd: Capture) -> None:  # noqa: F811
    content, why = DAMAGED[kind]
    (Path(root) / "1.png").write_bytes(content)
    check_refusal(
        ["train", "-opt", "train.yml"], (f"in {root} cannot be read", "1.png", why, "remedy: mend"), place, capfd
    )


@pytest.mark.parametrize(
    "kind", ["data cut off", "another version", "a key missing", "a damaged tree", "an entry cut off"]
)
def test_a_training_on_a_damaged_lmdb_is_refused(kind: str, place: Path, capfd: Capture) -> None:  # noqa: F811
    make_lmdb("hr", "hr.lmdb")
    REFUSED[kind][0](Path("hr.lmdb"))
    edit(datasets__train__dataroot_gt="hr.lmdb")()
    check_refusal(["train", "-opt", "train.yml"], ("dataroot_gt", "hr.lmdb", "usrda lmdb verify hr.lmdb"), place, capfd)


def test_a_folder_with_a_link_that_leads_to_itself_is_refused(place: Path, capfd: Capture) -> None:  # noqa: F811
    Path("target/loop.png").symlink_to("loop.png")
    expected = ("dataroot_target", "loop.png: Too many levels of symbolic links", "mend or remove")
    check_refusal(["train", "-opt", "train.yml"], expected, place, capfd)


@pytest.mark.slow
@pytest.mark.parametrize("lies_in", ["folder", "lmdb"])
def test_a_training_on_images_of_all_kinds_and_names_runs_and_validates(
    lies_in: str,
    place: Path,  # noqa: F811
) -> None:
    for number, kind in enumerate(UNUSUAL):
        name = f"{NAMES[number % len(NAMES)]} {number}.png"
        for folder, high, wide in (("hr", 64, 96), ("lr", 32, 48), ("target", 40, 33)):
            (Path(folder) / name).write_bytes(UNUSUAL[kind][0](smooth(high, wide, number))[0])
    Path("target/around").symlink_to(".")
    if lies_in == "lmdb":
        for folder in ("hr", "lr", "target"):
            make_lmdb(folder, f"{folder}.lmdb")
        edit(datasets__train__dataroot_gt="hr.lmdb", datasets__train__dataroot_target="target.lmdb")()
        edit(datasets__val__dataroot_gt="hr.lmdb", datasets__val__dataroot_lq="lr.lmdb")()
        edit(datasets__val__io_backend={"type": "lmdb"})()
    edit(train__total_iter=8, val__val_freq=8, val__save_img=True)()
    assert main(["train", "-opt", "train.yml"]) == 0
    pictures = {picture.parent.name for picture in Path("experiments/run/visualization").rglob("*.png")}
    assert len(pictures) == len(UNUSUAL) + 4


@pytest.mark.parametrize("kind", VERIFIED)
def test_verify_says_what_is_damaged_and_ends_with_2(kind: str, workshop: Path, capsys: Capture) -> None:
    make_lmdb("hr", "hr.lmdb")
    VERIFIED[kind][0](Path("hr.lmdb"))
    assert usrda.main(["lmdb", "verify", "hr.lmdb"]) == 2
    told = capsys.readouterr()
    count = len(told.out.splitlines())
    assert f"usrda: {count} fault" in told.err
    assert "Traceback" not in told.err


def test_verify_says_what_it_could_not_look_for(workshop: Path, capsys: Capture) -> None:
    make_lmdb("hr", "hr.lmdb")
    assert usrda.main(["lmdb", "verify", "hr.lmdb"]) == 0
    assert "checksums" not in capsys.readouterr().out
    Path("hr.lmdb/checksums.txt").unlink()  # as BasicSR makes it
    assert usrda.main(["lmdb", "verify", "hr.lmdb"]) == 0
    assert "hr.lmdb has no checksums.txt" in capsys.readouterr().out


def test_make_names_each_damaged_image_and_makes_nothing(workshop: Path, capsys: Capture) -> None:
    for kind, (content, _) in DAMAGED.items():
        (Path("hr") / f"{kind}.png").write_bytes(content)
    Path("hr/loop.png").symlink_to("loop.png")
    capsys.readouterr()
    assert usrda.main(["lmdb", "make", "--input", "hr", "--output", "hr.lmdb"]) == 2
    told = capsys.readouterr().err
    assert [kind for kind in [*DAMAGED, "loop"] if f"{kind}.png" not in told] == []
    assert not list(workshop.glob("*.lmdb"))


def test_make_takes_names_of_all_kinds(workshop: Path, capsys: Capture) -> None:
    for name in NAMES:
        shutil.copy("hr/0.png", f"hr/{name}.png")
    assert usrda.main(["lmdb", "make", "--input", "hr", "--output", "hr.lmdb"]) == 0
    assert "9 images" in capsys.readouterr().out
    assert usrda.main(["lmdb", "verify", "hr.lmdb"]) == 0
