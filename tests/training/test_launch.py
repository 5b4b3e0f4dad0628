"""How a run is started, with BasicSR's pipelines and our option reader replaced by stand-ins."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from usrda_plugin import errors
from usrda_plugin.errors import SetupError
from usrda_plugin.training import launch

OPTIONS = {"name": "run", "num_gpu": 1, "datasets": {}, "path": {}, "logger": {}, "manual_seed": 0}
Pipeline = Callable[[str], None]

# what a run asks of a model
model = SimpleNamespace(**dict.fromkeys(("save", "validation", "update_learning_rate", "resume_training")))


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Train with a pipeline of the test's own."""
    runner = import_module("basicsr.train")
    monkeypatch.setattr(launch, "load_options", lambda file, *, is_train, overrides: yaml.safe_load(file.read_text()))
    monkeypatch.setattr(launch, "dump_options", lambda options, file: file.write_text(yaml.safe_dump(options)))
    monkeypatch.setattr(launch, "load_plugins", lambda modules: [])
    monkeypatch.setattr(launch, "notes_on", lambda opt: [])
    monkeypatch.setattr(runner, "build_model", lambda opt: model)
    file = tmp_path / "options.yml"
    file.write_text(yaml.safe_dump(OPTIONS))

    def starter(pipeline: Pipeline, **choices: Any) -> None:
        monkeypatch.setattr(runner, "train_pipeline", pipeline)
        launch.train(file, root=tmp_path, **choices)

    return starter


def test_basicsr_parses_the_resolved_file_and_records_the_users_words(
    start: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["basicsr", "train", "-opt", "options.yml", "--force_yml", "name=other"]
    monkeypatch.setattr(sys, "argv", typed)
    seen = SimpleNamespace()

    def pipeline(root: str) -> None:
        runner = import_module("basicsr.train")
        seen.opt, seen.arguments = runner.parse_options(root, is_train=True)
        runner.copy_opt_file(seen.arguments.opt, root)
        seen.root, seen.typed = root, list(sys.argv)

    start(pipeline, auto_resume=True, debug=True)
    assert seen.root == str(tmp_path)
    assert seen.typed == typed
    assert seen.arguments.auto_resume
    assert seen.arguments.debug
    assert seen.arguments.force_yml is None
    assert seen.opt["path"]["experiments_root"] == str(tmp_path / "experiments" / "debug_run")
    copy = (tmp_path / "options.yml").read_text()
    assert f"# CMD:\n# {' '.join(typed)}\n" in copy
    assert yaml.safe_load(copy) == OPTIONS
    assert not Path(seen.arguments.opt).exists(), "the temporary file goes with the run"


def test_faulty_options_start_nothing(
    start: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> dict[str, Any]:
        raise ValueError("train.optim_g.lr: expected a number")

    monkeypatch.setattr(launch, "load_options", refuse)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SetupError, match=r"train\.optim_g\.lr: expected a number"):
        start(lambda root: pytest.fail("started"))
    assert sorted(tmp_path.iterdir()) == before


def test_a_start_that_fails_leaves_the_earlier_run_in_its_place(start: Callable[..., None], tmp_path: Path) -> None:
    earlier = tmp_path / "experiments" / "run"
    earlier.mkdir(parents=True)
    (earlier / "weights.pth").touch()

    def pipeline(root: str) -> None:
        utils = import_module("basicsr.utils")
        utils.mkdir_and_rename(str(earlier))
        utils.mkdir_and_rename(str(tmp_path / "tb_logger" / "run"))
        (earlier / "train.log").touch()
        raise FileNotFoundError("no such image folder")

    with pytest.raises(SetupError, match="no such image folder"):
        start(pipeline)
    assert [path.name for path in (tmp_path / "experiments").iterdir()] == ["run"]
    assert [path.name for path in earlier.iterdir()] == ["weights.pth"]
    assert not (tmp_path / "tb_logger").exists()


def test_a_resumed_run_keeps_its_folder_when_it_cannot_start(start: Callable[..., None], tmp_path: Path) -> None:
    earlier = tmp_path / "experiments" / "run"
    earlier.mkdir(parents=True)

    def pipeline(root: str) -> None:
        raise ValueError("weights of another network")

    with pytest.raises(SetupError):
        start(pipeline)
    assert earlier.is_dir()


def test_a_resumed_run_that_cannot_start_leaves_no_log_behind(start: Callable[..., None], tmp_path: Path) -> None:
    earlier = tmp_path / "experiments" / "run"
    earlier.mkdir(parents=True)
    for name in ("train_run_1.log", "older.yml", "net.pth"):
        (earlier / name).write_text("older")

    def pipeline(root: str) -> None:
        for name in ("train_run_1.log", "train_run_2.log", "older.yml", "options.yml", "notes.txt"):
            (earlier / name).write_text("newer")
        raise ValueError("a damaged training state")

    with pytest.raises(SetupError):
        start(pipeline)
    assert sorted(path.name for path in earlier.iterdir()) == ["net.pth", "notes.txt", "older.yml", "train_run_1.log"]
    assert (earlier / "older.yml").read_text() == "older", "the options with which the run was trained"


def test_a_resumed_run_that_cannot_start_leaves_nothing_on_tensorboard(
    start: Callable[..., None], tmp_path: Path
) -> None:
    board = tmp_path / "tb_logger" / "run"
    board.mkdir(parents=True)
    (board / "events.out.tfevents.1").write_text("older")

    def pipeline(root: str) -> None:
        (board / "events.out.tfevents.2").write_text("newer")
        raise ValueError("a damaged training state")

    with pytest.raises(SetupError):
        start(pipeline)
    assert [path.name for path in board.iterdir()] == ["events.out.tfevents.1"]


@pytest.mark.parametrize("fault", [ValueError("shape"), FileNotFoundError("image"), RuntimeError("bug")])
def test_a_fault_during_training_keeps_its_traceback_and_its_files(
    fault: Exception, start: Callable[..., None], tmp_path: Path
) -> None:
    def pipeline(root: str) -> None:
        (tmp_path / "experiments" / "run").mkdir(parents=True)
        assert import_module("basicsr.train").build_model({}) is model
        raise fault

    with pytest.raises(type(fault)) as caught:
        start(pipeline)
    assert caught.value is fault
    assert (tmp_path / "experiments" / "run").is_dir()


def test_a_bug_during_set_up_keeps_its_traceback(start: Callable[..., None]) -> None:
    def pipeline(root: str) -> None:
        raise TypeError("bug")

    with pytest.raises(TypeError, match="bug"):
        start(pipeline)


def test_an_option_that_a_model_of_basicsr_misses_is_told_by_name(
    start: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from basicsr.models.stylegan2_model import StyleGAN2Model

    opt: dict[str, Any] = {"model_type": "StyleGAN2Model", "num_gpu": 0, "is_train": True, "dist": False, "path": {}}
    opt["network_g"] = {
        "type": "RRDBNet",
        "num_in_ch": 3,
        "num_out_ch": 3,
        "num_feat": 4,
        "num_block": 1,
        "num_grow_ch": 2,
    }
    monkeypatch.setattr(import_module("basicsr.train"), "build_model", StyleGAN2Model)
    (tmp_path / "experiments" / "run").mkdir(parents=True)
    with pytest.raises(SetupError, match="StyleGAN2Model reads the option 'num_style_feat', which is missing; add it"):
        start(lambda root: import_module("basicsr.train").build_model(opt))


@pytest.mark.parametrize("end", [TypeError("ours"), KeyboardInterrupt()])
def test_whatever_ends_the_set_up_nothing_half_made_is_left(
    end: BaseException, start: Callable[..., None], tmp_path: Path
) -> None:
    def pipeline(root: str) -> None:
        (Path(root) / "experiments" / "run").mkdir(parents=True)
        raise end

    with pytest.raises(type(end)):
        start(pipeline)
    assert not (tmp_path / "experiments").exists()


def test_an_unknown_type_is_the_users_fault(start: Callable[..., None]) -> None:
    with pytest.raises(SetupError, match="did you mean 'SRModel'"):
        start(lambda root: import_module("basicsr.utils.registry").MODEL_REGISTRY.get("SRmodel"))


def test_the_next_run_in_this_process_gets_its_own_log(start: Callable[..., None], tmp_path: Path) -> None:
    def pipeline_into(name: str) -> Pipeline:
        def pipeline(root: str) -> None:
            logger = import_module("basicsr.utils").get_root_logger(
                log_file=str(tmp_path / name), log_level=logging.INFO
            )
            logger.info(name)

        return pipeline

    start(pipeline_into("first.log"))
    start(pipeline_into("second.log"))
    assert "first.log" in (tmp_path / "first.log").read_text()
    assert "second.log" not in (tmp_path / "first.log").read_text()
    assert "second.log" in (tmp_path / "second.log").read_text()
    assert logging.getLogger("basicsr").handlers == []


def test_basicsr_is_as_it_was_after_a_run(start: Callable[..., None]) -> None:
    runner = import_module("basicsr.train")
    before = runner.parse_options, runner.build_model
    start(lambda root: None)
    assert (runner.parse_options, runner.build_model) == before


@pytest.mark.parametrize(("launcher", "num_gpu", "hidden"), [("pytorch", 0, ""), ("pytorch", 1, "0"), ("none", 0, "0")])
def test_processes_on_the_cpu_do_not_see_gpus(
    launcher: str, num_gpu: int, hidden: str, start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(launch, "load_options", lambda file, **_: {**OPTIONS, "num_gpu": num_gpu})
    start(lambda root: None, launcher=launcher)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == hidden


def test_a_test_runs_the_test_pipeline(
    start: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    runner = import_module("basicsr.test")
    monkeypatch.setattr(
        runner, "test_pipeline", lambda root: seen.append(runner.parse_options(root, is_train=False)[0])
    )
    launch.test(tmp_path / "options.yml", root=tmp_path)
    assert seen[0]["path"]["results_root"] == str(tmp_path / "results" / "run")
    assert not seen[0]["is_train"]


def test_without_a_root_the_current_directory_is_it(
    start: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(import_module("basicsr.test"), "test_pipeline", seen.append)
    monkeypatch.chdir(tmp_path)
    launch.test("options.yml")
    assert seen == [str(tmp_path)]


def test_only_the_first_process_takes_folders_back(
    start: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")

    def pipeline(root: str) -> None:
        (tmp_path / "experiments" / "run").mkdir(parents=True)
        raise ValueError("fault")

    with pytest.raises(SetupError):
        start(pipeline)
    assert (tmp_path / "experiments" / "run").is_dir()


@pytest.mark.parametrize(("launcher", "first"), [("slurm", False), ("none", True)])
def test_with_slurm_processes_are_numbered_by_srun_from_the_start(
    start: Callable[..., None], launcher: str, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.setenv(name, "")  # so that what is set is taken back
        monkeypatch.delenv(name)
    for name, value in {"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1"}.items():
        monkeypatch.setenv(name, value)
    start(lambda root: None, launcher=launcher)
    assert errors.is_first_process() is errors.is_first_of_machine() is first
    numbers = {name: os.environ.get(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    assert numbers == ({"RANK": None, "WORLD_SIZE": None, "LOCAL_RANK": None} if first else
                       {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"})  # fmt: skip


def test_a_log_that_a_plugin_has_begun_does_not_keep_the_run_from_its_own(
    start: Callable[..., None], tmp_path: Path
) -> None:
    get_root_logger = import_module("basicsr.utils").get_root_logger
    get_root_logger()
    start(lambda root: get_root_logger(log_file=str(tmp_path / "run.log")).info("begun"))
    assert "begun" in (tmp_path / "run.log").read_text()


def test_without_a_place_for_temporary_files_nothing_starts(
    start: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(SetupError, match="missing"):
        start(lambda root: None)
    assert not (tmp_path / "experiments/run").exists()
