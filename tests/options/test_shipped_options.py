"""Every option file that is shipped: right for editors, accepted as it stands, run for a moment at reduced width."""

from __future__ import annotations

import inspect
import json
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from basicsr.utils.registry import ARCH_REGISTRY

from usrda_plugin.options import load_options
from usrda_plugin.options.inheritance import read_chain
from usrda_plugin.training import launch

Options = dict[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "options"
SHIPPED = {file.stem: file for file in sorted(FOLDER.glob("*.yml"))}
WRITTEN = [*SHIPPED.values(), *sorted(FOLDER.glob("_base_/*.yml"))]
RESOLVED: dict[str, Options] = {name: read_chain(file).opt for name, file in SHIPPED.items()}
TRAINED = [name for name, options in RESOLVED.items() if "train" in options]
TESTED = [name for name in SHIPPED if name not in TRAINED]

# a multiple of each batch size that is shipped, so that no epoch is cut short
IMAGES = 12
SIDE = {"dataroot_gt": 160, "dataroot_target": 64}
SMALL = {"num_feat": 8, "num_block": 1, "num_grow_ch": 4, "num_block_encoder": 1, "num_block_lr_decoder": 1}
PATCH = 32

# validation images are smaller than NIQE's blocks: nan and a warning instead of the end of the run


@pytest.fixture
def place(tmp_path: Path, vgg_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, empty; the perceptual loss finds its weights by the environment."""
    monkeypatch.setenv("USRDA_VGG_WEIGHTS", str(vgg_file))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def furnish(options: Options, width: Options | None) -> None:
    """Make what the options name: image folders, lists of images, and the weights of networks of this width."""
    for phase, dataset in options["datasets"].items():
        scale = options["scale"]
        sides = SIDE if phase == "train" else {"dataroot_gt": 16 * scale, "dataroot_lq": 16}
        for key in sorted(key for key in dataset if key.startswith("dataroot")):
            write_images(Path(dataset[key]), IMAGES if phase == "train" else 1, sides[key])
        if "meta_info" in dataset:
            names = sorted(file.name for file in Path(dataset["dataroot_gt"]).iterdir())
            Path(dataset["meta_info"]).write_text("".join(f"{name}\n" for name in names))
    for key, file in options["path"].items():
        if key.startswith("pretrain_network_") and file is not None:
            write_weights(Path(file), key.removeprefix("pretrain_"), options, width)


def write_images(folder: Path, count: int, side: int) -> None:
    if folder.is_dir():  # what is trained on is looked at in the validation too
        return
    folder.mkdir(parents=True)
    coarse = np.random.default_rng(0).integers(0, 256, (count, 9, 9, 3), dtype=np.uint8)
    for number, colours in enumerate(coarse):
        image = cv2.resize(colours, (side, side), interpolation=cv2.INTER_CUBIC)
        assert cv2.imwrite(str(folder / f"{number}.png"), image)


def write_weights(file: Path, key: str, options: Options, width: Options | None) -> None:
    """A file as the run that it is named after saves it, with that run's network, not the reader's."""
    maker = RESOLVED[file.parts[1]] if file.parts[0] == "experiments" else options
    network = maker[key] if width is None else {**maker[key], **reduced_network(key, maker[key])}
    arguments = {name: value for name, value in network.items() if name != "type"}
    with torch.device("meta" if width is None else "cpu"):
        built = ARCH_REGISTRY.get(network["type"])(**arguments)
    weights = {k: torch.zeros(v.shape) if width is None else v for k, v in built.state_dict().items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"params": weights, "params_ema": weights}, file)


def reduced_network(key: str, network: Options) -> Options:
    """The arguments that make a network small, of those that it has."""
    known = inspect.signature(ARCH_REGISTRY.get(network["type"])).parameters
    small = {name: value for name, value in SMALL.items() if name in known}
    return {**small, "num_in_ch": SMALL["num_feat"]} if key == "network_d_f" else small


def reduced(options: Options) -> list[str]:
    """Overrides under which a run takes a moment on the CPU."""
    networks = {key: value for key, value in options.items() if key.startswith("network_") and value}
    changes: Options = {key: reduced_network(key, network) for key, network in networks.items()}
    changes["num_gpu"] = 0
    if "train" in options:
        # one of BasicSR's critics takes one size of patch only
        fixed = any(network["type"] == "VGGStyleDiscriminator" for network in networks.values())
        patch = options["datasets"]["train"]["gt_size"] if fixed else PATCH
        changes["datasets"] = {"train": {"gt_size": patch, "batch_size_per_gpu": 2, "num_worker_per_gpu": 0}}
        changes |= {"gt_size": patch, "queue_size": 4} if "queue_size" in options else {}
        changes["train"] = {"total_iter": 3} | ({"psnr_iter": 1} if "psnr_iter" in options["train"] else {})
        changes["val"] = {"val_freq": 1000}
        changes["logger"] = {"print_freq": 1, "save_checkpoint_freq": 1000, "use_tb_logger": False}
    return [f"{path}={json.dumps(value)}" for path, value in leaves(changes)]


def leaves(block: Options, above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in block.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{key}:")
        else:
            yield f"{above}{key}", value


def newest_log(folder: Path) -> str:
    return max(folder.glob("*.log"), key=lambda file: file.stat().st_mtime_ns).read_text()


def named(file: Path) -> str:
    return str(file.relative_to(FOLDER))


@pytest.mark.parametrize("file", WRITTEN, ids=named)
def test_the_first_line_names_the_schema_for_editors(file: Path) -> None:
    comment = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", file.read_text().splitlines()[0])
    assert comment is not None
    assert (file.parent / comment[1]).resolve() == FOLDER / "schema.json"


@pytest.mark.parametrize("file", WRITTEN, ids=named)
def test_an_editor_finds_no_fault(file: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads((FOLDER / "schema.json").read_text()))
    content = yaml.safe_load(file.read_text())
    assert [error.message for error in validator.iter_errors(content)] == []
    content["trian"] = {}
    assert not validator.is_valid(content), "a misspelt key would show"


def test_files_of_shipped_options_are_called_as_their_runs() -> None:
    assert {name: options["name"] for name, options in RESOLVED.items()} == {name: name for name in SHIPPED}
    assert {name for name in SHIPPED if name.startswith("train_")} <= set(TRAINED)
    assert {name for name in SHIPPED if name.startswith("test_")} <= set(TESTED)


@pytest.mark.parametrize("name", SHIPPED)
def test_options_are_accepted_as_they_stand(name: str, place: Path) -> None:
    furnish(RESOLVED[name], width=None)
    options = load_options(SHIPPED[name], is_train=name in TRAINED)
    for key, value in leaves(RESOLVED[name]):
        if value is not None:
            kept: Any = options
            for step in key.split(":"):
                kept = kept[step]
            assert kept == value, key


@pytest.mark.parametrize("name", TRAINED)
def test_options_train_a_few_iterations_at_reduced_width(name: str, place: Path) -> None:
    options = RESOLVED[name]
    furnish(options, SMALL)
    launch.train(SHIPPED[name], overrides=reduced(options))
    run = place / "experiments" / name
    saved = torch.load(run / "models" / "net_g_latest.pth", weights_only=True)
    for key in saved.keys() & {"params", "params_ema"}:
        assert all(value.isfinite().all() for value in saved[key].values())
    moved = [not torch.equal(saved["params"][key], saved["params_ema"][key]) for key in saved["params"]]
    assert any(moved)
    log = newest_log(run)
    lines = re.findall(r"iter: +\d+, lr.*", log)
    losses = [(key, float(value)) for line in lines for key, value in re.findall(r"(l_\w+): (\S+)", line)]
    assert len(lines) == 3
    assert losses
    assert all(math.isfinite(value) for _, value in losses)
    check_validation(options, run, log)
    terms = [key.removesuffix("_opt") for key in ("align_opt", "rec_opt", "res_opt", "sty_opt", "idt_opt", "cyc_opt")
             if options["train"].get(key)]  # fmt: skip
    assert [term for term in terms if f"l_g_{term}" not in lines[-1]] == []


def check_validation(options: Options, run: Path, log: str) -> None:
    """What the last validation was to do is done: it has measured, or, without pairs, left pictures to look at."""
    pictures = [*(run / "visualization").rglob("*.png")]
    if options["val"].get("metrics"):
        assert re.search(r"# psnr: \d+\.\d+", log)
        assert options["val"].get("save_img") or pictures == []
    else:
        assert "# psnr" not in log
        assert len(pictures) == len([*Path(options["datasets"]["val"]["dataroot_lq"]).iterdir()])


def switch(folder: Path) -> None:
    """Move the # of each switch of the option files in a folder from one of its lines to the other."""
    for file in (*folder.glob("*.yml"), *folder.glob("_base_/*.yml")):
        text = re.sub(SWITCH, r"\g<1>\g<4>\g<3>\n\g<1>\g<2>\g<5>\n", file.read_text(), flags=re.MULTILINE)
        file.write_text(text)


SWITCH = r"^( +)(# )?(- \S*\bvalidation\.yml .*)\n +(# )?(- \S*\bvalidation_without_pairs\.yml .*)\n"


@pytest.fixture
def switched(place: Path) -> Path:
    """The option files as shipped, but validated the other way."""
    folder = shutil.copytree(FOLDER, place / "options")
    switch(folder)
    return folder


def test_each_file_that_chooses_a_validation_has_the_switch_and_its_explanation() -> None:
    choosing = [file for file in WRITTEN if re.search(r"validation(_without_pairs)?\.yml", file.read_text())]
    having = [file for file in WRITTEN if re.search(SWITCH, file.read_text(), re.MULTILINE)]
    assert {named(file) for file in having} == {"train_usrda.yml", "train_psnr.yml", "train_realesrgan.yml",
                                                 "train_adapt.yml", "_base_/test.yml"}  # fmt: skip
    assert choosing == having
    assert all("one of these two lines; the other begins with #" in file.read_text() for file in having)
    pointing = {name for name in TRAINED if "the switch is" in SHIPPED[name].read_text()}
    assert pointing | {file.stem for file in having} | {"demo_usrda"} >= set(TRAINED)


@pytest.mark.parametrize("name", ["train_psnr", "train_adapt",
                                  *(pytest.param(name, marks=pytest.mark.slow) for name in TRAINED
                                    if name not in ("train_psnr", "train_adapt", "demo_usrda"))])  # fmt: skip
def test_the_switch_of_the_validation_is_one_line_and_trains(name: str, switched: Path, place: Path) -> None:
    options = read_chain(switched / f"{name}.yml").opt
    assert bool(options["val"].get("metrics")) != bool(RESOLVED[name]["val"].get("metrics"))
    furnish(options, SMALL)
    launch.train(switched / f"{name}.yml", overrides=[*reduced(options), "train:total_iter=2"])
    run = place / "experiments" / name
    check_validation(options, run, newest_log(run))


@pytest.mark.parametrize("name", ["test_adapt", pytest.param("test_psnr", marks=pytest.mark.slow)])
def test_a_test_without_pairs_saves_pictures_and_measures_nothing(name: str, switched: Path, place: Path) -> None:
    options = read_chain(switched / f"{name}.yml").opt
    furnish(options, SMALL)
    launch.test(switched / f"{name}.yml", overrides=reduced(options))
    results = place / "results" / name
    assert "# psnr" not in newest_log(results)
    assert len([*results.rglob("*.png")]) == 1


@pytest.mark.parametrize("name", TESTED)
def test_options_test_an_image_at_reduced_width(name: str, place: Path) -> None:
    options = RESOLVED[name]
    furnish(options, SMALL)
    launch.test(SHIPPED[name], overrides=reduced(options))
    results = place / "results" / name
    log = newest_log(results)
    assert re.search(r"# psnr: \d+\.\d+", log)
    assert re.search(r"# ssim: -?\d+\.\d+", log)
    (picture,) = results.rglob("*.png")
    assert cv2.imread(str(picture)).shape == (16 * options["scale"], 16 * options["scale"], 3)
