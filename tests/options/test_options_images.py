"""Folders, LMDBs, list files and the images themselves, as the checks see them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from usrda_plugin import data
from usrda_plugin.data import Camera
from usrda_plugin.options import OptionError
from usrda_plugin.options import images as images_module

Options = dict[str, Any]
Faults = Callable[..., list[OptionError]]


@pytest.fixture
def own(pictures: Path, tmp_path: Path) -> Path:
    """A copy of the pictures, to be spoiled."""
    return Path(shutil.copytree(pictures, tmp_path / "own"))


@pytest.fixture
def on_own(paired: Options, own: Path) -> Options:
    """SRModel's options on the copy, without validation."""
    paired["datasets"]["train"] |= {"dataroot_gt": str(own / "hr"), "dataroot_lq": str(own / "lr")}
    paired["datasets"].pop("val_1")
    paired.pop("val")
    return paired


@pytest.fixture
def unpaired_on_own(unpaired: Options, own: Path) -> Options:
    """USRDAModel's options on the copy, without validation."""
    unpaired["datasets"]["train"] |= {"dataroot_gt": str(own / "hr"), "dataroot_target": str(own / "target")}
    unpaired["datasets"].pop("val_1", None)
    unpaired.pop("val", None)
    return unpaired


def make_lmdb(folder: Path, images: Path) -> Path:
    data.make_lmdb(images, folder)
    return folder


def test_a_missing_folder_is_told_with_the_place_it_is_looked_for_from(
    paired: Options, faults: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    [fault] = faults(paired, "datasets:train:dataroot_gt=data/hr")
    assert fault.key == "datasets.train.dataroot_gt"
    assert "data/hr does not exist" in fault.message
    assert str(tmp_path) in fault.remedy


def test_a_file_instead_of_a_folder_is_told(paired: Options, faults: Faults, pictures: Path) -> None:
    [fault] = faults(paired, f"datasets:train:dataroot_gt={pictures / 'hr' / '0.png'}")
    assert "is a file" in fault.message


def test_an_empty_folder_is_told_and_its_subfolders_are_offered(
    unpaired: Options, faults: Faults, pictures: Path
) -> None:
    [fault] = faults(unpaired, f"datasets:train:dataroot_target={pictures / 'empty'}")
    assert "no image" in fault.message
    [fault] = faults(unpaired, f"datasets:train:dataroot_target={pictures}")
    assert "empty, hr, lr and 1 more" in fault.remedy


def test_an_image_that_is_none_is_told(on_own: Options, own: Path, faults: Faults) -> None:
    (own / "hr" / "3.png").write_bytes(b"this is no image")
    [fault] = faults(on_own)
    assert fault.key == "datasets.train.dataroot_gt"
    assert "1 files" in fault.message
    assert "3.png" in fault.message


def test_an_image_that_is_cut_off_is_told(on_own: Options, own: Path, faults: Faults) -> None:
    file = own / "hr" / "5.png"
    file.write_bytes(file.read_bytes()[:-2000])
    [fault] = faults(on_own)
    assert "5.png" in fault.message


def test_other_files_disturb_basicsr_and_not_our_data_sets(
    on_own: Options, unpaired_on_own: Options, own: Path, faults: Faults, load: Callable[..., Options]
) -> None:
    (own / "hr" / "notes.txt").write_text("these are mine")
    (own / "hr" / ".hidden").write_text("")
    assert any("notes.txt" in fault.message for fault in faults(on_own))
    load(unpaired_on_own)


def test_an_image_smaller_than_a_patch_is_told_with_its_size(
    unpaired_on_own: Options, own: Path, faults: Faults
) -> None:
    Image.new("RGB", (40, 20)).save(own / "hr" / "small.png")
    Image.new("RGB", (7, 40)).save(own / "target" / "thin.png")
    source, target = faults(unpaired_on_own)
    assert "1 images" in source.message
    assert "smaller than a patch of 32x32: small.png is 20x40" in source.message
    assert "smaller than a patch of 8x8: thin.png is 40x7" in target.message


def test_images_without_room_for_a_camera_are_told(unpaired: Options, faults: Faults) -> None:
    source, target = faults(unpaired, "datasets:train:degradation=camera")
    assert "8 images" in source.message
    assert "smaller than a patch of 144x144: 0.png is 64x64" in source.message
    assert "5 images" in target.message
    assert "smaller than a patch of 32x32: 0.png is 16x16" in target.message
    for fault in (source, target):
        assert "degradation: bicubic" in fault.remedy
        assert "gt_size" not in fault.remedy


def test_images_with_just_the_room_for_a_camera_are_taken(
    unpaired_on_own: Options, own: Path, faults: Faults, load: Callable[..., Options]
) -> None:
    for folder, side in (("hr", 144), ("target", 32)):
        for file in (own / folder).iterdir():
            Image.effect_noise((side, side), 50).convert("RGB").save(file)
    load(unpaired_on_own, "datasets:train:degradation=camera")
    source, target = faults(unpaired_on_own, "datasets:train:degradation=camera", "datasets:train:gt_size=160")
    assert "smaller than a patch of 160x160" in source.message
    assert "smaller than a patch of 40x40" in target.message
    assert "gt_size" in source.remedy


def test_a_camera_without_target_photographs_or_with_given_lr_images_is_told(
    unpaired: Options, pictures: Path, faults: Faults
) -> None:
    def told(*overrides: str) -> list[OptionError]:
        found = faults(unpaired, "datasets:train:degradation=camera", *overrides)
        return [fault for fault in found if fault.key == "datasets.train.degradation"]

    assert told() == []
    [fault] = told("datasets:train:dataroot_target=~")
    assert "there are none" in fault.message
    assert fault.remedy == "give dataroot_target, or write degradation: bicubic"
    [fault] = told(f"datasets:train:dataroot_lq={pictures / 'lr'}")
    assert fault.remedy == "remove dataroot_lq, or write degradation: bicubic"
    [fault] = faults(unpaired, "datasets:train:degradation=camra")[:1]
    assert (fault.key, fault.remedy) == ("datasets.train.degradation", "did you mean 'camera'?")


def test_a_data_set_without_a_target_domain_has_no_camera_to_estimate(paired: Options, faults: Faults) -> None:
    train = paired["datasets"]["train"]
    train |= {"type": "USRDASourceDataset", "degradation": "camera"}
    [fault] = [fault for fault in faults(paired) if fault.key == "datasets.train.degradation"]
    assert fault.message == "expected bicubic or a camera's file (.json), found 'camera'"


@pytest.fixture
def camera_file(tmp_path: Path) -> Path:
    """The file of a camera that changes nothing."""
    file = tmp_path / "camera.json"
    Camera(np.pad(np.ones((1, 1), np.float32), 7), 0.0).save(file)
    return file


def test_the_file_of_a_camera_needs_neither_a_target_nor_room_for_an_estimate(
    unpaired: Options, paired: Options, camera_file: Path, load: Callable[..., Options]
) -> None:
    """The images here are smaller than an estimate would ask for."""
    option = f"datasets:train:degradation={camera_file}"
    assert load(unpaired, option)["datasets"]["train"]["degradation"] == str(camera_file)
    train = paired["datasets"]["train"]
    del train["dataroot_lq"]
    train |= {"type": "USRDASourceDataset"}
    load(paired, option)


def test_a_camera_in_the_home_folder_is_found_there(
    unpaired: Options, camera_file: Path, load: Callable[..., Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(camera_file.parent))
    loaded = load(unpaired, "datasets:train:degradation=~/camera.json")
    assert loaded["datasets"]["train"]["degradation"] == str(camera_file)


@pytest.mark.parametrize(
    ("spoil", "message", "remedy"),
    [
        (lambda file: file.unlink(), "camera.json: expected a camera's file, found nothing of that name", "estimate"),
        (lambda file: file.write_text("{"), "camera.json: expected JSON, found other content", "estimate"),
        (lambda file: file.write_text('{"format": "usrda-camera", "version": 2}'), "expected 1, found 2", "update"),
    ],
    ids=["missing", "damaged", "newer"],
)
@pytest.mark.parametrize("kind", ["USRDADataset", "USRDASourceDataset"])
def test_the_option_names_a_camera_that_is_none(
    spoil: Callable[[Path], Any], message: str, remedy: str, kind: str,
    unpaired: Options, camera_file: Path, faults: Faults,
) -> None:  # fmt: skip
    spoil(camera_file)
    found = faults(unpaired, f"datasets:train:degradation={camera_file}", f"datasets:train:type={kind}")
    [fault] = [fault for fault in found if fault.key == "datasets.train.degradation"]
    assert message in fault.message
    assert remedy in fault.remedy


def test_given_lr_images_leave_the_file_of_a_camera_nothing_to_do(
    unpaired: Options, pictures: Path, camera_file: Path, faults: Faults
) -> None:
    overrides = (f"datasets:train:degradation={camera_file}", f"datasets:train:dataroot_lq={pictures / 'lr'}")
    [fault] = [fault for fault in faults(unpaired, *overrides) if fault.key == "datasets.train.degradation"]
    assert fault.remedy == "remove dataroot_lq, or write degradation: bicubic"


def test_images_to_validate_on_may_be_of_any_size(unpaired: Options, load: Callable[..., Options]) -> None:
    load(unpaired, "datasets:train:gt_size=64")


def test_pairs_of_the_wrong_scale_are_told(on_own: Options, own: Path, faults: Faults) -> None:
    Image.new("RGB", (17, 16)).save(own / "lr" / "2.png")
    [fault] = faults(on_own)
    assert "1 of 8 pairs do not differ by scale 4: 2.png is 64x64, its partner 16x17" in fault.message


@pytest.mark.parametrize(("side", "good"), [(64, True), (67, True), (63, False), (80, False)])
def test_validation_pairs_may_have_a_remainder_that_basicsr_cuts_off(
    side: int, good: bool, testing: Options, own: Path, load: Callable[..., Options], faults: Faults
) -> None:
    Image.new("RGB", (side, side)).save(own / "hr" / "0.png")
    testing["datasets"]["test_1"] |= {"dataroot_gt": str(own / "hr"), "dataroot_lq": str(own / "lr")}
    if good:
        load(testing, is_train=False)
    else:
        assert "do not differ by scale 4" in faults(testing, is_train=False)[0].message


def test_where_basicsr_cuts_no_remainder_off_there_must_be_none(testing: Options, own: Path, faults: Faults) -> None:
    Image.new("RGB", (67, 67)).save(own / "hr" / "0.png")
    roots = {"dataroot_gt": str(own / "hr"), "dataroot_lq": str(own / "lr")}
    testing["datasets"]["test_1"] |= {"type": "RealESRGANPairedDataset", **roots}
    assert "do not differ by scale 4" in faults(testing, is_train=False)[0].message


def test_partners_that_lack_are_named(on_own: Options, own: Path, faults: Faults) -> None:
    (own / "lr" / "4.png").unlink()
    [fault] = faults(on_own)
    assert "1 of 8 images" in fault.message
    assert "4.png" in fault.message


def test_partners_are_found_by_their_template(on_own: Options, own: Path, load: Callable[..., Options]) -> None:
    for file in list((own / "lr").iterdir()):
        file.rename(file.with_name(f"{file.stem}x4.png"))
    on_own["datasets"]["train"]["filename_tmpl"] = "{}x4"
    load(on_own)


def test_images_without_partner_are_told(on_own: Options, own: Path, faults: Faults) -> None:
    shutil.copy(own / "lr" / "0.png", own / "lr" / "more.png")
    [fault] = faults(on_own)
    assert "9 images in" in fault.message


def test_given_source_pairs_may_differ_in_their_ending(
    unpaired_on_own: Options, own: Path, load: Callable[..., Options]
) -> None:
    for file in list((own / "lr").iterdir()):
        with Image.open(file) as image:
            image.save(file.with_suffix(".bmp"))
        file.unlink()
    unpaired_on_own["datasets"]["train"]["dataroot_lq"] = str(own / "lr")
    load(unpaired_on_own)


def test_tiles_of_given_source_pairs_are_paired_by_the_template_of_their_images(
    unpaired_on_own: Options, own: Path, load: Callable[..., Options], faults: Faults
) -> None:
    for folder, template in (("hr", "{}_s001"), ("lr", "{}x4_s001")):
        for file in list((own / folder).iterdir()):
            file.rename(file.with_stem(template.format(file.stem)))
    roots = {f"dataroot_{side}": str(make_lmdb(own / f"{f}.lmdb", own / f)) for side, f in (("gt", "hr"), ("lq", "lr"))}
    unpaired_on_own["datasets"]["train"] |= {**roots, "filename_tmpl": "{}x4"}
    load(unpaired_on_own)
    unpaired_on_own["datasets"]["train"]["filename_tmpl"] = "{}x2"
    [fault] = faults(unpaired_on_own)
    assert fault.key == "datasets.train.dataroot_lq"
    assert "lacks 8 images that the images of" in fault.message
    assert "correct filename_tmpl, now '{}x2'" in fault.remedy


def test_a_list_file_picks_images(on_own: Options, own: Path, faults: Faults, load: Callable[..., Options]) -> None:
    listed = own / "list.txt"
    on_own["datasets"]["train"]["meta_info_file"] = str(listed)
    listed.write_text("1.png (64,64,3)\n2.png (64,64,3)\n3.png\n4.png\n")
    load(on_own)
    listed.write_text("1.png (64,64,3)\n20.png (64,64,3)\n")
    [fault] = faults(on_own)
    assert fault.key == "datasets.train.meta_info_file"
    assert "1 of 2 images" in fault.message
    assert "20.png" in fault.message
    listed.write_text("1.png\n\n2.png\n3.png\n")
    assert "line 2" in faults(on_own)[0].message
    listed.write_text("")
    assert "names no image" in faults(on_own)[0].message
    listed.unlink()
    assert "cannot read the list" in faults(on_own)[0].message


def test_a_list_counts_towards_the_epochs(on_own: Options, own: Path, faults: Faults) -> None:
    (own / "list.txt").write_text("1.png\n")
    on_own["datasets"]["train"]["meta_info_file"] = str(own / "list.txt")
    [fault] = faults(on_own)
    assert fault.key == "datasets.train.dataset_enlarge_ratio"


def test_lists_of_pairs_are_read(on_own: Options, own: Path, faults: Faults, load: Callable[..., Options]) -> None:
    listed = own / "pairs.txt"
    on_own["datasets"]["train"] |= {"type": "RealESRGANPairedDataset", "meta_info": str(listed)}
    listed.write_text("".join(f"{number}.png, {number}.png\n" for number in range(4)))
    load(on_own)
    listed.write_text("1.png 1.png\n")
    assert "not `gt image, lq image`" in faults(on_own)[0].message
    listed.write_text("1.png, 1.png\n1.png, x.png\n")
    assert "x.png" in faults(on_own)[0].message


def test_an_lmdb_is_judged_by_its_list(
    unpaired_on_own: Options, own: Path, faults: Faults, load: Callable[..., Options]
) -> None:
    folder = make_lmdb(own / "hr.lmdb", own / "hr")
    unpaired_on_own["datasets"]["train"] |= {"dataroot_gt": str(folder), "dataroot_target": None}
    unpaired_on_own["train"] |= {"align_opt": None, "res_opt": None, "sty_opt": None}
    load(unpaired_on_own)
    [fault] = faults(unpaired_on_own, "datasets:train:gt_size=128")
    assert "0 is 64x64" in fault.message
    (folder / "data.mdb").unlink()
    [fault] = faults(unpaired_on_own)
    assert "no LMDB of images: data.mdb lacking" in fault.message


def test_a_folder_beside_an_lmdb_is_no_contradiction_for_our_data_sets(
    unpaired_on_own: Options, own: Path, load: Callable[..., Options]
) -> None:
    unpaired_on_own["datasets"]["train"]["dataroot_gt"] = str(make_lmdb(own / "hr.lmdb", own / "hr"))
    load(unpaired_on_own)


def test_a_folder_beside_an_lmdb_is_told_to_leave_the_backend_out(
    unpaired_on_own: Options, own: Path, faults: Faults
) -> None:
    train = unpaired_on_own["datasets"]["train"]
    train |= {"dataroot_gt": str(make_lmdb(own / "hr.lmdb", own / "hr")), "io_backend": {"type": "lmdb"}}
    [fault] = [fault for fault in faults(unpaired_on_own) if "io_backend says" in fault.message]
    assert fault.key == "datasets.train.dataroot_target"
    assert "leave io_backend out" in fault.remedy


def test_of_listed_names_with_spaces_those_that_are_there_are_right(
    unpaired_on_own: Options, own: Path, faults: Faults
) -> None:
    (own / "hr" / "0.png").rename(own / "hr" / "my photo 0.png")
    (own / "list.txt").write_text("1.png (64,64,3)\nmy photo 0.png\nno.png (64,64,3)\n")
    unpaired_on_own["datasets"]["train"]["meta_info"] = str(own / "list.txt")
    [fault] = faults(unpaired_on_own)
    assert fault.key == "datasets.train.meta_info"
    assert "lacks 1 images" in fault.message
    assert "no.png" in fault.message
    assert "cannot be listed" not in fault.remedy


def test_lmdbs_of_a_pair_must_have_the_same_keys(on_own: Options, own: Path, faults: Faults) -> None:
    gt, lq = make_lmdb(own / "hr.lmdb", own / "hr"), make_lmdb(own / "lr.lmdb", own / "lr")
    on_own["datasets"]["train"] |= {"dataroot_gt": str(gt), "dataroot_lq": str(lq), "io_backend": {"type": "lmdb"}}
    lines = (lq / "meta_info.txt").read_text().splitlines(keepends=True)
    (lq / "meta_info.txt").write_text("".join(lines[1:]))
    [fault] = faults(on_own)
    assert "have no partner" in fault.message


def test_realesrgan_needs_a_list_on_disk(on_own: Options, faults: Faults) -> None:
    on_own["datasets"]["train"] = {**on_own["datasets"]["train"], "type": "RealESRGANDataset"}
    del on_own["datasets"]["train"]["dataroot_lq"]
    assert "datasets.train.meta_info" in {fault.key for fault in faults(on_own)}


def test_large_sets_are_sampled(monkeypatch: pytest.MonkeyPatch, on_own: Options, own: Path, faults: Faults) -> None:
    monkeypatch.setattr(images_module, "HEADERS", 2)
    (own / "hr" / "0.png").write_bytes(b"no image")
    [fault] = faults(on_own)
    assert "(2 of 8 looked at)" in fault.message


def test_at_least_one_image_is_decoded_however_large(
    monkeypatch: pytest.MonkeyPatch, on_own: Options, own: Path, faults: Faults
) -> None:
    monkeypatch.setattr(images_module, "DECODED", 1)
    file = own / "hr" / "0.png"
    file.write_bytes(file.read_bytes()[:-2000])
    assert "0.png" in faults(on_own)[0].message


def test_photographs_on_their_side_are_measured_upright(
    on_own: Options, own: Path, load: Callable[..., Options]
) -> None:
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rng.integers(0, 256, (48, 96, 3), dtype=np.uint8)).save(own / "hr" / "7.jpg", exif=exif)
    Image.fromarray(rng.integers(0, 256, (24, 12, 3), dtype=np.uint8)).save(own / "lr" / "7.jpg")
    for folder in ("hr", "lr"):
        (own / folder / "7.png").unlink()
    load(on_own)


def test_very_large_photographs_pass_without_a_warning(
    on_own: Options, load: Callable[..., Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 64 - 1)
    load(on_own)


def test_video_roots_must_be_there(testing: Options, faults: Faults, pictures: Path) -> None:
    testing["model_type"] = "VideoBaseModel"
    testing["datasets"]["test_1"] = {
        "name": "clips",
        "type": "VideoTestDataset",
        "dataroot_gt": str(pictures / "hr"),
        "dataroot_lq": "/nowhere",
        "io_backend": {"type": "disk"},
        "num_frame": 5,
        "cache_data": False,
    }
    [fault] = faults(testing, is_train=False)
    assert fault.key == "datasets.test_1.dataroot_lq"


def test_a_list_of_source_images_and_a_template_for_their_partners_go_together(
    unpaired_on_own: Options, own: Path, load: Callable[..., Options], faults: Faults
) -> None:
    for file in list((own / "lr").iterdir()):
        file.rename(file.with_stem(f"{file.stem}x4"))
    (own / "list.txt").write_text("".join(f"{number}.png (64,64,3)\n" for number in range(6)))
    (own / "lr" / "of no use.png").write_bytes(b"what no image has as its partner is not looked at")
    train = unpaired_on_own["datasets"]["train"]
    train |= {"dataroot_lq": str(own / "lr"), "filename_tmpl": "{}x4", "meta_info": str(own / "list.txt")}
    load(unpaired_on_own)
    (own / "lr" / "3x4.png").unlink()
    [fault] = faults(unpaired_on_own)
    assert (fault.key, "lacks 1 images" in fault.message) == ("datasets.train.dataroot_lq", True)


@pytest.mark.parametrize("template", ["{", "{1}", "{name}", "{0.parent}", "{:>9999999999}", "{!r}"])
def test_a_template_that_no_name_can_fill_is_told(template: str, on_own: Options, faults: Faults) -> None:
    on_own["datasets"]["train"]["filename_tmpl"] = template
    [fault] = faults(on_own)
    assert fault.key == "datasets.train.filename_tmpl"
    assert repr(template) in fault.message


def test_an_lmdb_with_a_last_slash_is_one(on_own: Options, own: Path, load: Callable[..., Options]) -> None:
    train = on_own["datasets"]["train"]
    train |= {f"dataroot_{k}": f"{make_lmdb(own / f'{f}.lmdb', own / f)}/" for k, f in (("gt", "hr"), ("lq", "lr"))}
    train["io_backend"] = {"type": "lmdb"}
    assert load(on_own)["datasets"]["train"]["dataroot_gt"] == str(own / "hr.lmdb")


def test_a_list_with_a_byte_order_mark_is_told_where_basicsr_reads_it(
    on_own: Options, unpaired_on_own: Options, own: Path, load: Callable[..., Options], faults: Faults
) -> None:
    (own / "list.txt").write_text("".join(f"{number}.png\n" for number in range(6)), encoding="utf-8-sig")
    unpaired_on_own["datasets"]["train"]["meta_info"] = str(own / "list.txt")
    load(unpaired_on_own)
    on_own["datasets"]["train"]["meta_info_file"] = str(own / "list.txt")
    assert "without a byte order mark" in faults(on_own)[0].remedy
