"""The adaptation benchmark: cameras, folds, what is run again and what not, numbers, and the whole once."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from usrda_plugin.archs import USRDANet
from usrda_plugin.options import load_options
from usrda_plugin.options.inheritance import read_chain

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "adaptation"
MODULES = [file.stem for file in FOLDER.glob("*.py")]
OPTION_FILES = sorted((FOLDER / "options").glob("*.yml"))


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The modules of the benchmark, found as its commands find them; pictures are drawn by one test alone."""
    monkeypatch.syspath_prepend(str(FOLDER))
    earlier = {name: sys.modules.pop(name) for name in MODULES if name in sys.modules}
    yield SimpleNamespace(**{name: import_module(name) for name in MODULES if name != "pictures"})
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.modules.update(earlier)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder laid out as the benchmark wants it, of small images, one of them gray."""
    folder, rng = tmp_path / "photographs", np.random.default_rng(0)
    sizes = {"train_hr/bsds": (152, 145), "train_hr/urban": (148, 148), "target_lr/city100_nikon/LRx2": (48, 50)}
    sizes |= {"val_pairs/city100_nikon/HR": (96, 96), "val_pairs/city100_nikon/LRx2": (48, 48)}
    sizes |= {f"bench_x4/{name}": (100, 100) for name in ("Set5", "Set14", "B100_20")}
    for place, size in sizes.items():
        (folder / place).mkdir(parents=True)
        for number in range(4):
            name = f"img_00{number}_SRF_4_HR" if "bench" in place else f"{number:03}"
            channels = () if (number == 3 and "bench" in place) else (3,)
            coarse = rng.integers(0, 256, (12, 12, *channels), dtype=np.uint8)
            image = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / place / f"{name}.png"), image)
    return folder


# ---------------------------------------------------------------------------------------------------- cameras


def test_a_camera_makes_the_same_of_a_scene_each_time_and_other_noise_of_another_name(
    benchmark: SimpleNamespace,
) -> None:
    cameras = benchmark.degradations
    scene = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    for camera in cameras.CAMERAS.values():
        once = cameras.photograph(scene, camera, 4, "a")
        assert once.shape == (16, 12, 3)
        assert np.array_equal(once, cameras.photograph(scene, camera, 4, "a"))
    sensor, optics = cameras.CAMERAS["sensor"], cameras.CAMERAS["optics"]
    assert not np.array_equal(cameras.photograph(scene, sensor, 4, "a"), cameras.photograph(scene, sensor, 4, "b"))
    assert np.array_equal(cameras.photograph(scene, optics, 4, "a"), cameras.photograph(scene, optics, 4, "b"))


@pytest.mark.parametrize("level", [0, 60, 128])
def test_noise_grows_with_light_as_the_constants_say(benchmark: SimpleNamespace, level: int) -> None:
    cameras = benchmark.degradations
    bare = cameras.CAMERAS["sensor"]._replace(jpeg_quality=None)
    flat = np.full((512, 512, 3), level, np.uint8)
    made = cameras.photograph(flat, bare, 2, "flat").astype(float)
    expected = (cameras.READ_NOISE**2 + cameras.SHOT_NOISE * level + 1 / 12) ** 0.5
    # black cuts off half of the noise
    measured = np.sqrt(2 * np.mean(made**2)) if level == 0 else made.std()
    assert measured == pytest.approx(expected, rel=0.03)


def test_cameras_shift_nothing(benchmark: SimpleNamespace) -> None:
    cameras = benchmark.degradations
    scene = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    shake = cameras.Camera(shake=cameras.SHAKE, shake_angle=cameras.SHAKE_ANGLE)
    for camera, turn in ((cameras.CAMERAS["optics"], np.s_[:, ::-1]), (shake, np.s_[::-1, ::-1])):
        straight, turned = (
            cameras.photograph(np.ascontiguousarray(image), camera, 4, "") for image in (scene, scene[turn])
        )
        assert np.abs(straight.astype(int) - turned[turn]).max() <= 1


@pytest.mark.parametrize("radius", [2.0, 4.0, 6.5])
def test_the_defocus_disc_has_a_discs_weight_and_spread(benchmark: SimpleNamespace, radius: float) -> None:
    disc = benchmark.degradations.disc(radius)
    place = np.arange(len(disc)) - len(disc) // 2
    assert disc.sum() == pytest.approx(1)
    # a uniform disc has the variance r^2 / 4 along an axis, and whole pixels add 1/12 (Sheppard)
    assert (disc * place**2).sum() == pytest.approx(radius**2 / 4 + 1 / 12, abs=0.05)


@pytest.mark.parametrize("length", [3.0, 6.4, 11.0])
def test_a_shake_has_a_lines_spread_and_direction(benchmark: SimpleNamespace, length: float) -> None:
    cameras = benchmark.degradations
    line, angle = cameras.line(length, cameras.SHAKE_ANGLE), np.deg2rad(cameras.SHAKE_ANGLE)
    down, right = np.mgrid[: len(line), : len(line)] - len(line) // 2
    assert line.sum() == pytest.approx(1)
    # a uniform line has the variance L^2 / 12 along itself, and sharing out between pixels adds 1/6 to an axis
    assert (line * right * down).sum() == pytest.approx(-(length**2) / 12 * np.sin(angle) * np.cos(angle), rel=0.01)
    for places, share in ((right, np.cos(angle)), (down, np.sin(angle))):
        assert (line * places).sum() == pytest.approx(0, abs=1e-9)
        assert (line * places**2).sum() == pytest.approx((length * share) ** 2 / 12 + 1 / 6, abs=0.1)


def test_a_shaken_camera_spreads_a_point_along_its_line_in_lr_pixels(benchmark: SimpleNamespace) -> None:
    cameras = benchmark.degradations
    scene = np.full((128, 128, 3), 60, np.uint8)  # not black, which would cut off what bicubic makes darker
    scene[60:68, 60:68] = 240
    shake = cameras.CAMERAS["shaken"]._replace(read_noise=0, shot_noise=0, sharpening=0, jpeg_quality=None)
    still, shaken = (cameras.photograph(scene, camera, 4, "").astype(float)[..., 0] - 60
                     for camera in (shake._replace(shake=0), shake))  # fmt: skip
    down, right = np.mgrid[:32, :32] - 15.5

    def spread(image: np.ndarray, along: float) -> float:
        places = right * np.cos(along) - down * np.sin(along)
        return (image * places**2).sum() / image.sum()

    angle = np.deg2rad(cameras.SHAKE_ANGLE)
    assert spread(shaken, angle) - spread(still, angle) == pytest.approx(cameras.SHAKE**2 / 12, abs=0.03)
    across = angle + np.pi / 2
    assert spread(shaken, across) - spread(still, across) == pytest.approx(0, abs=0.03)


def test_a_camera_sharpens_its_noise_too(benchmark: SimpleNamespace) -> None:
    cameras = benchmark.degradations
    bare = cameras.CAMERAS["shaken"]._replace(jpeg_quality=None)
    flat = np.full((512, 512, 3), 128, np.uint8)
    blunt, sharp = (cameras.photograph(flat, camera, 2, "flat").std()
                    for camera in (bare._replace(sharpening=0), bare))  # fmt: skip
    # white noise through 1 + a (delta - Gaussian of 1 pixel): the Gaussian's weights are g0 in the middle, g2 squared
    taps = cv2.getGaussianKernel(7, 1.0).ravel()
    middle, squared, amount = taps[3] ** 2, (taps**2).sum() ** 2, cameras.SHARPENING
    gain = ((1 + amount) ** 2 - 2 * (1 + amount) * amount * middle + amount**2 * squared) ** 0.5
    assert sharp / blunt == pytest.approx(gain, rel=0.02)


def test_sharpening_raises_edges_by_its_amount_and_leaves_slopes(benchmark: SimpleNamespace) -> None:
    sharpened = benchmark.degradations.sharpened
    slope = np.tile(np.arange(40.0, dtype=np.float32)[None, :, None], (40, 1, 3))
    assert sharpened(slope, 0.8)[:, 8:-8] == pytest.approx(slope[:, 8:-8], abs=1e-4)
    # a row of alternating levels is so fine that the blur is its mean
    fine = np.where(np.indices((40, 40, 3))[1] % 2, 110.0, 90.0)
    assert np.ptp(sharpened(fine, 0.8)[8:-8, 8:-8]) == pytest.approx(20 * 1.8, rel=0.02)


# ---------------------------------------------------------------------------------------------------- images


def test_folds_test_each_scene_once_and_never_on_a_network_that_saw_it(benchmark: SimpleNamespace) -> None:
    names = [f"{number:03}.png" for number in (68, 61, 63, 62, 65, 64, 66, 67)]
    folds = [benchmark.domains.fold_names(names, fold) for fold in range(benchmark.domains.FOLDS)]
    assert sorted(name for _, tested in folds for name in tested) == sorted(names)
    for trained, tested in folds:
        assert len(trained) == len(tested) == 4
        assert sorted(trained + tested) == sorted(names)


def test_synthetic_images_are_made_alike_each_time_and_no_target_has_its_scene_in_the_source(
    benchmark: SimpleNamespace, photographs: Path, tmp_path: Path
) -> None:
    for folder in ("one", "two"):
        benchmark.staging.stage("sensor", tmp_path / folder, photographs)
    one, two = ({file.relative_to(tmp_path / folder): file.read_bytes() for file in (tmp_path / folder).rglob("*.*")}
                for folder in ("one", "two"))  # fmt: skip
    assert one == two
    data = tmp_path / "one"
    names = {place: {file.name for file in (data / place).iterdir()} for place in ("source_x4/hr", "sensor/target_lr")}
    assert names["sensor/target_lr"] == {"002.png", "003.png"}
    assert {file.name for file in (data / "sensor/oracle_lr").iterdir()} == names["source_x4/hr"]
    assert len({file.name for file in (data / "sensor/val_hr").iterdir()}) == 12
    for place, side in {"val_hr": 100, "val_lr": 25}.items():
        gray = cv2.imread(str(data / "sensor" / place / "Set5_img_003.png"), cv2.IMREAD_UNCHANGED)
        assert gray.shape == (side, side, 3)


def test_images_that_are_there_stay_and_those_of_another_camera_are_made_again(
    benchmark: SimpleNamespace, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras = benchmark.degradations.CAMERAS
    image = tmp_path / "optics/val_lr/Set5_img_000.png"
    benchmark.staging.stage("optics", tmp_path, photographs)
    made = image.stat().st_mtime_ns
    benchmark.staging.stage("optics", tmp_path, photographs)
    assert image.stat().st_mtime_ns == made
    monkeypatch.setitem(cameras, "optics", cameras["optics"]._replace(defocus=0.5))
    benchmark.staging.stage("optics", tmp_path, photographs)
    assert image.stat().st_mtime_ns != made


@pytest.mark.parametrize("domain", ["nikon", "sensor"])
def test_without_photographs_it_says_what_it_wants(benchmark: SimpleNamespace, tmp_path: Path, domain: str) -> None:
    with pytest.raises(ValueError, match=r"train_hr/bsds.*--data or \$USRDA_SHARED_DATA"):
        benchmark.staging.stage(domain, tmp_path, None)


# ---------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize("file", OPTION_FILES, ids=lambda file: file.stem)
def test_an_editor_finds_no_fault_in_a_rows_options(file: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    first = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", file.read_text().splitlines()[0])
    assert first is not None
    schema = json.loads((file.parent / first[1]).read_text())
    validator = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(yaml.safe_load(file.read_text()))] == []


def test_each_row_has_its_option_file_and_each_file_its_row(benchmark: SimpleNamespace) -> None:
    files = {file.stem for file in OPTION_FILES} - {"_base_"}
    assert files == set(benchmark.rows.ROWS) - {"bicubic"}


@pytest.mark.parametrize("domain", ["nikon", "sensor"])
def test_all_trainings_of_a_domain_are_accepted_and_see_what_they_may(
    benchmark: SimpleNamespace, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, domain: str
) -> None:
    monkeypatch.chdir(tmp_path)
    benchmark.staging.stage(domain, tmp_path / "data", photographs)
    cell = benchmark.trainings.Cell("small", domain, "source_only", 5)
    write_start(benchmark.trainings.source_training(cell))
    for row in benchmark.rows.ROWS:
        for training in benchmark.trainings.trainings_of(cell._replace(row=row)):
            file = tmp_path / "options.yml"
            file.write_text(benchmark.training.written(training.options))
            options = load_options(file, is_train=True)
            assert options["manual_seed"] == options["datasets"]["train"].get("seed", 5) == 5
            assert ("val_" in str(options["datasets"])) == (row == "oracle" and domain == "nikon")
            assert str(tmp_path) not in file.read_text()


def write_start(training: Any) -> None:
    """A file of weights as the source-only training would save it."""
    arguments = {name: value for name, value in training.options["network_g"].items() if name != "type"}
    file = Path("experiments") / training.name / "models/net_g_latest.pth"
    file.parent.mkdir(parents=True)
    torch.save({"params_ema": USRDANet(**arguments).state_dict()}, file)


def test_a_scale_stretches_every_count_of_iterations(benchmark: SimpleNamespace) -> None:
    cell = benchmark.trainings.Cell("small", "nikon", "plus", 0)
    small, full = (benchmark.trainings.options_of(cell._replace(scale=scale), "x") for scale in ("small", "full"))
    stretch = benchmark.scales.SCALES["full"].stretch
    for key in ("total_iter", "psnr_iter"):
        assert full["train"][key] == small["train"][key] * stretch
    assert full["train"]["scheduler"]["milestones"][0] == small["train"]["scheduler"]["milestones"][0] * stretch
    assert full["network_g"]["num_feat"] == full["network_d_t"]["num_feat"] == 64
    for optimizer in ("optim_g", "optim_d"):
        rate = small["train"][optimizer]["lr"] * benchmark.scales.SCALES["full"].rate
        assert full["train"][optimizer]["lr"] == pytest.approx(rate)


def test_a_row_that_is_made_to_go_wrong_is_saved_and_measured_as_often_as_it_says(benchmark: SimpleNamespace) -> None:
    options = benchmark.trainings.options_of(benchmark.trainings.Cell("small", "nikon", "swing", 0), "x")
    assert benchmark.rows.ROWS["swing"].measurements == 12
    assert options["train"]["total_iter"] == 1200
    assert options["logger"]["save_checkpoint_freq"] == options["val"]["val_freq"] == 100


@pytest.mark.parametrize("name", ["train_usrda_plus.yml", "train_usrda_x2.yml", "demo_usrda.yml"])
def test_the_recipe_that_is_shipped_is_the_one_that_was_measured(name: str) -> None:
    measured = read_chain(FOLDER / "options/plus.yml").opt
    shipped = read_chain(FOLDER.parents[1] / "options" / name).opt
    terms = [key for key, block in measured["train"].items() if key.endswith("_opt") and block]
    assert terms == [key for key in measured["train"] if key.endswith("_opt")]
    assert {key for key, block in shipped["train"].items() if key.endswith("_opt") and block} == set(terms)
    for term in terms:
        assert shipped["train"][term] == measured["train"][term], term
    critics = {key for key, block in shipped.items() if key.startswith("network_d") and block}
    assert critics == {key for key in measured if key.startswith("network_d")}
    for critic in critics:
        assert [shipped[critic].get(key) for key in ("view", "num_down")] == [
            measured[critic][key] for key in ("view", "num_down")
        ]
    assert shipped["network_g"].get("noise_ch", 0) == measured["network_g"].get("noise_ch", 0)
    assert shipped["datasets"]["train"]["degradation"] == measured["datasets"]["train"]["degradation"]


def test_domains_of_one_source_start_from_one_network_and_each_seed_from_its_own(benchmark: SimpleNamespace) -> None:
    trainings = benchmark.trainings
    cell = trainings.Cell("small", "nikon", "plus", 0)
    sources = [trainings.source_training(each) for each in (cell, cell._replace(domain="iphone"))]
    assert sources[0] == sources[1]
    names = {
        trainings.source_name(cell._replace(seed=seed, domain=domain))
        for seed in (0, 1)
        for domain in ("nikon", "sensor")
    }
    assert len(names) == 4
    start = trainings.trainings_of(cell)[0].options["path"]["pretrain_network_g_encoder"]
    assert start == f"experiments/{sources[0].name}/models/net_g_latest.pth"


# ---------------------------------------------------------------------------------------------------- what is run


@pytest.fixture
def launched(benchmark: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of trainings that were begun, instead of training; each leaves its record."""
    names: list[str] = []

    def run(name: str, out: Path, threads: int) -> None:
        names.append(name)
        record = out / "finished" / f"{name}.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"seconds": 1.0, "threads": threads}))

    monkeypatch.setattr(benchmark.training, "_run", run)
    return names


def test_a_finished_training_is_not_begun_again_unless_its_options_change(
    benchmark: SimpleNamespace, launched: list[str], tmp_path: Path
) -> None:
    training = benchmark.trainings.Training("a", {"train": {"total_iter": 1}})
    for _ in range(2):
        benchmark.training.train(training, tmp_path, 1)
    assert launched == ["a"]
    changed = training._replace(options={"train": {"total_iter": 2}})
    benchmark.training.train_source(changed, tmp_path, 1)
    assert launched == ["a"], "what others started from stays"
    benchmark.training.train(changed, tmp_path, 1)
    assert launched == ["a", "a"]


@pytest.mark.parametrize(("edited", "kept"), [(False, True), (True, False)])
def test_a_training_that_was_cut_off_goes_on_only_with_the_same_options(
    benchmark: SimpleNamespace, launched: list[str], tmp_path: Path, edited: bool, kept: bool
) -> None:
    training = benchmark.trainings.Training("a", {"train": {"total_iter": 1}})
    state = tmp_path / "experiments/a/training_states/100.state"
    state.parent.mkdir(parents=True)
    state.touch()
    (tmp_path / "options").mkdir()
    before = {"train": {"total_iter": 2}} if edited else training.options
    (tmp_path / "options/a.yml").write_text(benchmark.training.written(before))
    benchmark.training.train(training, tmp_path, 1)
    assert launched == ["a"]
    assert state.exists() == kept


@pytest.fixture
def command(benchmark: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The command with its cells recorded instead of run: arguments to the names of cells."""
    monkeypatch.setattr(benchmark.staging, "stage", lambda *_: None)
    begun: list[str] = []
    monkeypatch.setattr(benchmark.run, "run_apart", lambda cell, _: begun.append(str(cell.folder)) or 0)

    def run(*arguments: str) -> list[str]:
        begun.clear()
        places = ["--out", str(tmp_path / "out"), "--results", str(tmp_path / "results")]
        assert benchmark.run.main(["--domains", "nikon", *arguments, *places]) == 0
        return list(begun)

    return run


def test_seconds_go_on_after_a_cut_and_are_unknown_after_a_kill(benchmark: SimpleNamespace, tmp_path: Path) -> None:
    clock = tmp_path / "run/seconds.json"
    assert benchmark.training.seconds_before(clock) == 0
    clock.parent.mkdir()
    assert benchmark.training.seconds_before(clock) is None
    clock.write_text("41.5")
    assert benchmark.training.seconds_before(clock) == 41.5
    clock.write_text("null")
    assert benchmark.training.seconds_before(clock) is None


def test_cells_that_are_measured_are_left_alone_until_they_are_forced(command: Any, tmp_path: Path) -> None:
    rows = ["--rows", "plus", "source_only", "bicubic", "--seeds", "0", "1"]
    cells = [f"small/nikon/{each}" for each in ("source_only/seed0", "source_only/seed1", "bicubic/seed0", "plus/seed0",
                                                "plus/seed1")]  # fmt: skip
    assert command(*rows) == cells
    done = tmp_path / "results" / cells[3]
    done.mkdir(parents=True)
    (done / "options.yml").touch()
    assert command(*rows) == cells, "a cell without metrics was cut off"
    (done / "metrics.json").touch()
    assert command(*rows) == [cell for cell in cells if cell != cells[3]]
    assert command(*rows, "--force") == cells
    assert not done.exists()


# ---------------------------------------------------------------------------------------------------- numbers


def test_the_gap_is_closed_from_source_only_to_oracle(benchmark: SimpleNamespace) -> None:
    gap = benchmark.tables.gap_closed
    assert gap(28.0, 28.0, 30.0) == 0
    assert gap(30.0, 28.0, 30.0) == 1
    assert gap(27.0, 28.0, 30.0) == -0.5
    assert gap(0.35, 0.40, 0.30) == pytest.approx(0.5)  # of LPIPS, which falls
    assert gap(29.0, None, 30.0) is gap(None, 28.0, 30.0) is gap(29.0, 28.0, 28.0) is None


def cell(row: str, seed: int, psnr: float, lpips: float | None, **more: Any) -> dict[str, Any]:
    mean = {"psnr": psnr, "ssim": 0.8, "lpips": lpips, "niqe": 5.0, "colour_shift": 0.5}
    told = {
        "scale": "small",
        "domain": "nikon",
        "row": row,
        "seed": seed,
        "mean": mean,
        "images": {},
        "checkpoints": [],
    }
    told |= {"iterations": [900], "seconds": [60.0], "threads": [1], "parameters": 195526, "published_iter": [900]}
    return told | {"versions": {"torch": "2"}, "commit": "abc"} | more


def test_gaps_are_taken_seed_by_seed_and_only_where_the_seed_has_both_ends(benchmark: SimpleNamespace) -> None:
    baselines = {
        "source_only": {0: cell("source_only", 0, 28.0, 0.4), 1: cell("source_only", 1, 27.0, 0.4)},
        "oracle": {0: cell("oracle", 0, 29.0, 0.3), 1: cell("oracle", 1, 29.0, 0.3)},
    }
    rows = {seed: cell("plus", seed, 28.5, 0.35) for seed in (0, 1, 2)}
    found = benchmark.tables.gaps(rows, baselines, "psnr")
    assert found.mean == pytest.approx((0.5 + 0.75) / 2)
    assert found.spread == pytest.approx(0.25 / 2**0.5)
    assert found.seeds == 2


@pytest.mark.parametrize(
    ("psnr", "lpips", "answer"), [(28.1, 0.39, True), (28.1, 0.41, False), (27.9, 0.39, False), (28.1, None, None)]
)
def test_only_both_metrics_together_beat_source_only(
    benchmark: SimpleNamespace, psnr: float, lpips: float | None, answer: bool | None
) -> None:
    assert benchmark.tables.beats(cell("plus", 0, psnr, lpips), cell("source_only", 0, 28.0, 0.4)) is answer


def test_numbers_have_the_digits_of_their_kind_and_one_seed_has_no_spread(benchmark: SimpleNamespace) -> None:
    tables = benchmark.tables
    assert tables.number(tables.over([28.0, 29.0]), "psnr") == "28.50 ± 0.71"
    assert tables.number(tables.over([28.0]), "psnr") == "28.00"
    assert tables.number(tables.over([0.5, 0.7]), "percent") == "60 ± 14 %"
    assert tables.number(-0.001, "psnr") == "0.00"
    assert tables.number(tables.over([None]), "lpips") == "–"


def test_correlations_match_signals_and_checkpoints_by_iteration(benchmark: SimpleNamespace) -> None:
    points = [{"iter": at, "psnr": 28 + at, "lpips": 0.4 - at / 100} for at in (1, 2, 3, 4, 6)]
    lines = [{"iter": at, "falls": -(at**3), "flat": 1.0, "gone": None} for at in (5, 4, 3, 2, 1)]
    found = benchmark.tables.correlations(points, lines)
    assert found["falls"] == {"psnr": pytest.approx(-1), "lpips": pytest.approx(1)}
    assert found["flat"] == found["gone"] == {"psnr": None, "lpips": None}


def test_the_score_of_the_report_is_the_rules_and_begins_with_the_critics(benchmark: SimpleNamespace) -> None:
    signals = [{"iter": at, "style_distance": value} for at, value in ((75, 9.0), (150, 6.0), (225, 3.0), (902, 1.0))]
    options = {"train": {"psnr_iter": 100, "total_iter": 900}}
    scored = benchmark.selection.with_score({"signals": signals, "options": options})
    assert [line.get(benchmark.selection.SCORE) for line in scored] == [None, 6.0, 4.5]


# ---------------------------------------------------------------------------------------------------- the report


def write_cells(results: Path, *cells: dict[str, Any]) -> None:
    for each in cells:
        folder = results / each["scale"] / each["domain"] / each["row"] / f"seed{each['seed']}"
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps(each))
        (folder / "options.yml").write_text("train: {total_iter: 900, psnr_iter: 0}\n")


def lines_of(page: Path, domain: str) -> dict[str, list[str]]:
    """The cells of a domain's table, by row."""
    section = page.read_text().split(f"### {domain}")[1].split("###")[0]
    return {
        match[1]: match[0].split(" | ")[1:] for match in re.finditer(r"^\|.*\(`(\w+)`\).*\|$", section, re.MULTILINE)
    }


def test_the_report_has_what_was_measured_and_says_what_is_missing(benchmark: SimpleNamespace, tmp_path: Path) -> None:
    write_cells(
        tmp_path,
        *(cell(row, seed, psnr, lpips) for seed in (0, 1)
          for row, psnr, lpips in (("source_only", 28.0, 0.4), ("oracle", 30.0, 0.3), ("plus", 29.0 - seed, 0.35))),
        cell("bicubic", 0, 27.0, 0.5, iterations=[], seconds=[], threads=[], parameters=0),
    )  # fmt: skip
    page = tmp_path / "results.md"
    assert benchmark.report.main(["--results", str(tmp_path), "--write", str(page)]) == 0
    nikon = lines_of(page, "City100 Nikon")
    assert nikon["plus"][0] == "28.50 ± 0.71"
    assert nikon["plus"][5:7] == ["25 ± 35 %", "50 ± 0 %"]
    assert nikon["plus"][7].startswith("0: yes, 1: no")
    assert nikon["bicubic"][0] == "27.00"
    assert nikon["sty"][0] == "missing"
    text = page.read_text()
    assert "2 seeds: source_only, oracle, plus." in text
    assert "--scale small --domains nikon --rows bicubic --seeds 0\n" in text
    assert "--scale small --domains nikon --rows source_only oracle plus --seeds 0 1\n" in text
    assert "All rows are missing." in text.split("### City100 iPhone")[1]
    assert "Scale `full`" not in text


@pytest.mark.parametrize(
    ("devices", "told"),
    [
        ([None, "CPU"], "2.0 on CPU threads: 1"),  # cells of before there was a GPU do not name one
        (["NVIDIA X", "NVIDIA X"], "2.0 on NVIDIA X"),
        (["NVIDIA X", None], "2.0 on NVIDIA X and CPU threads: 1"),
    ],
)
def test_the_report_tells_on_what_a_row_was_trained(
    benchmark: SimpleNamespace, devices: list[str | None], told: str
) -> None:
    cells = {
        seed: {"row": "plus", "iterations": [600], "seconds": [120], "threads": [1], "parameters": 7, "commit": "c",
               "versions": {}, **({"device": device} if device else {})}
        for seed, device in enumerate(devices)
    }  # fmt: skip
    assert f"| `plus` | 7 | 600 | {told} |" in benchmark.sizes.sizes("small", {"nikon": {"plus": cells}})


def test_the_report_shows_what_the_choice_without_ground_truth_was_worth(
    benchmark: SimpleNamespace, tmp_path: Path
) -> None:
    often = [(150, 28.0, 6.0), (300, 28.2, 4.0), (450, 28.4, 2.0), (600, 28.6, 3.0), (750, 28.5, 4.0), (900, 28.4, 9.0)]
    for row, points in (("swing", often), ("plus", often[1:])):
        truth = [{"iter": at, "psnr": psnr, "lpips": None} for at, psnr, _ in points]
        write_cells(tmp_path, cell(row, 0, 28.5, None, checkpoints=truth, published_iter=[900]))
        gaps = ({"iter": at, "style_distance": gap} for at, _, gap in points)
        signals = tmp_path / f"small/nikon/{row}/seed0/signals.jsonl"
        signals.write_text("".join(f"{json.dumps(line)}\n" for line in gaps))
    page = tmp_path / "results.md"
    assert benchmark.report.main(["--results", str(tmp_path), "--write", str(page)]) == 0
    text = page.read_text()
    # swing: the score chooses 600, the best; style_distance 450, .2 dB below; the end is as far below. plus: all .2
    assert "| last | 0.20, 0.20 | – | 2 |" in text
    assert "| selection score | 0.10, 0.20 | – | 2 |" in text
    assert "| style_distance | 0.20, 0.20 | – | 2 |" in text
    # ranks of PSNR 1, 2, 3.5, 6, 5, 3.5, of the distance 5, 3.5, 1, 2, 3.5, 6: one cell, measured often enough
    assert "| style_distance | -0.44 | – | 1 |" in text
    assert "| iteration | 0.70 | – | 1 |" in text
    assert "| nikon, `swing`, seed 0 | 600 | 28.60 | 28.60 | 28.40 | – | – | – |" in text
    assert "`plus`, seed 0" not in text


def test_the_picture_shows_each_row_where_its_means_are(benchmark: SimpleNamespace, tmp_path: Path) -> None:
    write_cells(
        tmp_path,
        *(cell("plus", seed, psnr, lpips) for seed, psnr, lpips in ((0, 29.0, 0.3), (1, 30.0, 0.4))),
        cell("source_only", 0, 28.0, 0.5),
        cell("oracle", 0, 31.0, None),
    )
    figure = benchmark.plane.plane_of({"nikon": benchmark.report.read_cells(tmp_path / "small/nikon"), "iphone": {}})
    (axis,) = figure.axes
    found = {bars.get_label(): tuple(float(place[0]) for place in bars.lines[0].get_data()) for bars in axis.containers}
    assert found == {"source-only": (0.5, 28.0), "best combination": (pytest.approx(0.35), 29.5)}
    bars = next(bars for bars in axis.containers if bars.get_label() == "best combination")
    spans = [np.ptp(line.get_segments()[0], axis=0).max() for line in bars.lines[2]]
    assert spans == pytest.approx([2 * 0.1 / 2**0.5, 2 * 1 / 2**0.5])
    assert axis.xaxis_inverted()
    page = tmp_path / "results.md"
    assert benchmark.report.main(["--results", str(tmp_path), "--write", str(page)]) == 0
    assert "](results_small.png)" in page.read_text()
    assert cv2.imread(str(tmp_path / "results_small.png")) is not None


def test_no_picture_is_shown_where_nothing_has_both_metrics(benchmark: SimpleNamespace, tmp_path: Path) -> None:
    write_cells(tmp_path, cell("plus", 0, 28.0, None))
    page = tmp_path / "results.md"
    assert benchmark.report.main(["--results", str(tmp_path), "--write", str(page)]) == 0
    assert "![" not in page.read_text()
    assert not list(tmp_path.glob("*.png"))


def test_without_results_no_report_is_written(benchmark: SimpleNamespace, tmp_path: Path, capsys: Any) -> None:
    page = tmp_path / "results.md"
    assert benchmark.report.main(["--results", str(tmp_path), "--write", str(page)]) == 2
    assert not page.exists()
    assert "run.py makes them" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------- the whole


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_smoke_matrix_runs_from_photographs_to_tables(
    benchmark: SimpleNamespace, tmp_path: Path, capfd: Any
) -> None:
    places = ["--out", str(tmp_path / "out"), "--results", str(tmp_path / "results")]
    assert benchmark.run.main(["--scale", "smoke", *places]) == 0
    rows = benchmark.scales.SCALES["smoke"].rows
    cells = {row: tmp_path / "results/smoke/bundled" / row / "seed0" for row in rows}
    metrics = {row: json.loads((folder / "metrics.json").read_text()) for row, folder in cells.items()}
    assert all(15 < each["mean"]["psnr"] < 35 for each in metrics.values())
    assert metrics["plus"]["mean"] != metrics["source_only"]["mean"]
    assert [point["iter"] for point in metrics["plus"]["checkpoints"]] == [10, 20, 30]
    assert (cells["plus"] / "signals.jsonl").is_file()
    assert not [
        file for file in (tmp_path / "results").rglob("*.*") if file.is_file() and str(tmp_path) in file.read_text()
    ]
    capfd.readouterr()
    assert benchmark.run.main(["--scale", "smoke", *places]) == 0
    assert "0 cells run, 0 failed, 4 done before" in capfd.readouterr().out
    page = tmp_path / "results.md"
    arguments = ["--scales", "smoke", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "out")]
    assert benchmark.report.main([*arguments, "--write", str(page), "--crops", str(tmp_path / "crops")]) == 0
    table = lines_of(page, "scikit-image")
    assert table["plus"][0] == f"{metrics['plus']['mean']['psnr']:.2f}"
    assert cv2.imread(str(tmp_path / "crops/smoke_bundled.png")) is not None
