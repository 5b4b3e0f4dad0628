"""Checkpoints: whole or not there, damaged ones passed by, old ones removed as asked."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import tiny
from usrda_plugin.errors import SetupError, TrainingError
from usrda_plugin.training import launch
from usrda_plugin.training.run import TrainingRun
from usrda_plugin.weights import writing

ALL = {f"net_{name}" for name in ("g", "d_f", "d_t", "d_y")}


def iterations(run: Path) -> list[int]:
    return sorted(int(file.stem) for file in (run / "training_states").glob("*.json"))


def files(run: Path, iteration: int) -> list[Path]:
    """All files of a checkpoint, its manifest last."""
    return [*run.glob(f"models/*_{iteration}.pth"), *sorted((run / "training_states").glob(f"{iteration}.*"))]


def test_a_checkpoint_has_all_networks_and_states_and_their_sums(here: Path) -> None:
    run = tiny.train(here)
    assert iterations(run) == [3, 6, 9, 12]
    manifest = json.loads((run / "training_states/6.json").read_text())
    expected = {f"models/{name}_6.pth" for name in ALL} | {"training_states/6.state", "training_states/6.more"}
    assert manifest["files"].keys() == expected
    for name, said in manifest["files"].items():
        done = subprocess.run(["sha256sum", str(run / name)], capture_output=True, text=True, check=True)
        assert done.stdout.split()[0] == said["sha256"]


def write_cut_off(at: int) -> Any:
    """The path's ``replace``, which kills the process when it is called for so many a time."""
    original, calls = Path.replace, iter(range(1000))

    def replace(self: Path, target: Any) -> Any:
        if next(calls) == at:
            raise tiny.Killed
        return original(self, target)

    return replace


# the seven files of a checkpoint are renamed in turn, in the first of the run, whose manifest is the first, and later
@pytest.mark.slow
@pytest.mark.parametrize("at", [*range(9), *range(10, 18)])
def test_a_kill_inside_a_save_loses_that_checkpoint_alone(
    here: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, Any], at: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", write_cut_off(at))
        with pytest.raises(tiny.Killed):
            tiny.train(here)
    run = tiny.train(here, auto_resume=True)
    assert {place: value for place, value in tiny.tensors(run).items() if value != whole[place]} == {}
    assert tiny.leftovers(run) == []
    assert list(run.parent.iterdir()) == [run]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What a run leaves that was never stopped."""
    folder, before = tmp_path_factory.mktemp("whole"), Path.cwd()
    tiny.images(folder)
    os.chdir(folder)
    yield tiny.tensors(tiny.train(folder))
    os.chdir(before)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


DAMAGE = {
    "network cut off": ("models/net_d_t_12.pth", cut, "net_d_t_12.pth has"),
    "network changed": ("models/net_g_12.pth", flip, "net_g_12.pth is not as it was written"),
    "state missing": ("training_states/12.state", Path.unlink, "12.state is missing"),
    "the rest changed": ("training_states/12.more", flip, "12.more is not as it was written"),
    "manifest missing": ("training_states/12.json", Path.unlink, "its saving was cut off"),
    "manifest cut off": ("training_states/12.json", cut, "12.json is damaged"),
    "manifest empty": ("training_states/12.json", lambda file: file.write_text(""), "12.json is damaged"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_passed_by_with_a_word(
    here: Path, whole: dict[str, Any], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, damage, message = DAMAGE[kind]
    run = tiny.train(here)
    damage(run / name)
    tiny.train(here, auto_resume=True)
    output = "".join(capsys.readouterr())
    assert f"Passed by: checkpoint 12: {message}" in output
    assert "Restored at iteration 9" in output
    assert tiny.tensors(run) == whole


@pytest.mark.slow
def test_where_all_are_damaged_nothing_is_begun_anew(here: Path) -> None:
    run = tiny.train(here)
    for iteration in iterations(run):
        cut(run / f"models/net_g_{iteration}.pth")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(SetupError, match=r"expected a whole checkpoint in .*found none: checkpoint 12: net_g_12\.pth"):
        tiny.train(here, auto_resume=True)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_a_named_state_whose_checkpoint_is_damaged_is_refused(here: Path) -> None:
    run = tiny.train(here)
    flip(run / "models/net_g_9.pth")
    with pytest.raises(SetupError, match=r"9\.state: expected a whole checkpoint, but net_g_9\.pth is not as it was"):
        tiny.train(here, {"path": {"resume_state": str(run / "training_states/9.state")}})


@pytest.mark.slow
def test_states_of_stock_basicsr_are_taken_if_they_can_be_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tiny.train(here)
    for file in (run / "training_states").iterdir():
        if file.suffix != ".state":
            file.unlink()
    cut(run / "models/net_d_y_12.pth")
    tiny.train(here, auto_resume=True)
    output = "".join(capsys.readouterr())
    assert "Passed by: checkpoint 12: " in output
    assert "net_d_y_12.pth" in output
    assert "Training state 9 was saved without the position" in output


def test_as_many_are_kept_as_asked_and_the_best(here: Path) -> None:
    # the colours of a network that has learnt for long are better than at first, so the last is the best of PSNR
    psnr = {"psnr": tiny.PSNR["psnr"], "first": {"type": "calculate_psnr", "crop_border": 2, "better": "lower"}}
    run = tiny.train(
        here, {"logger": {"keep_last": 2, "save_checkpoint_freq": 1}, "val": {"val_freq": 2, "metrics": psnr}}
    )
    best = torch.load(run / "training_states/12.more", weights_only=True)["best_metrics"]["pairs"]
    kept = {11, 12, *(int(record["iter"]) for record in best.values())}
    assert iterations(run) == sorted(kept)
    assert len(kept) == 3
    for iteration in range(1, 13):
        assert len(files(run, iteration)) == (7 if iteration in kept else 0)


@pytest.mark.slow
def test_the_best_is_not_kept_where_that_is_not_wanted(here: Path) -> None:
    run = tiny.train(here, {"logger": {"keep_last": 1, "keep_best": False}})
    assert iterations(run) == [12]


@pytest.mark.slow
def test_what_a_kill_left_of_a_removed_checkpoint_goes_the_next_time(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = {"logger": {"keep_last": 1, "keep_best": False}}
    run = tiny.train_killed(monkeypatch, 8, here, keep)
    manifest = json.loads((run / "training_states/6.json").read_text())
    half = {"iter": 3, "files": {name.replace("6", "3"): said for name, said in manifest["files"].items()}}
    (run / "training_states/3.json").write_text(json.dumps(half))  # its files are gone already
    tiny.train(here, keep, auto_resume=True)
    assert iterations(run) == [12]


def test_removing_counts_only_what_the_run_has_come_by(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = checkpoint_store(tiny.train(here))
    store.prune(9, 1, ())
    assert store.iterations() == [9, 12], "what is newer is of another course, and not counted"
    manifest = store.states / "9.json"
    manifest.write_text(json.dumps({"files": {"../precious.txt": {}}}))
    precious = store.root.parent / "precious.txt"
    precious.touch()
    store.prune(12, 1, ())
    assert precious.exists()
    assert files(store.root, 9) == []


@pytest.mark.slow
def test_a_run_that_has_gone_back_goes_on_from_there_and_not_from_what_it_had_left(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], whole: dict[str, Any]
) -> None:
    run = tiny.train(here)
    back = {"path": {"resume_state": str(run / "training_states/3.state")}, "logger": {"save_checkpoint_freq": 5}}
    tiny.train_killed(monkeypatch, 7, here, back)
    assert "gone back before its checkpoints 6, 9, 12" in "".join(capsys.readouterr())
    tiny.train(here, auto_resume=True)
    assert "Restored at iteration 5" in "".join(capsys.readouterr())
    assert {place: value for place, value in tiny.tensors(run).items() if whole.get(place, value) != value} == {}
    assert iterations(run) == [3, 5, 6, 9, 12]
    assert list(run.rglob("*.left")) == []


def test_a_state_of_another_run_is_refused(here: Path) -> None:
    run = tiny.train(here, {"train": {"total_iter": 3}})
    other = {"name": "other", "path": {"resume_state": str(run / "training_states/3.state")}}
    with pytest.raises(SetupError, match=r"3\.state: expected a state of this run, in .*other.training_states"):
        tiny.train(here, other)


def test_states_of_before_the_first_manifest_are_stock_basicsrs(here: Path) -> None:
    run = tiny.train(here)
    for file in (run / "training_states/3.json", run / "training_states/3.more"):
        file.unlink()
    for iteration in (6, 9, 12):
        flip(run / f"models/net_g_{iteration}.pth")
    assert checkpoint_store(run).newest().iteration == 3


def no_room(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_is_full_stops_training_with_the_last_checkpoint_whole(
    here: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, Any]
) -> None:
    original = torch.save

    def save(content: Any, file: Any, **named: Any) -> None:
        if "net_d_y_9" in file.name:
            file.write(b"half of it")
            no_room()
        original(content, file, **named)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", save)
        with pytest.raises(TrainingError, match=r"(?s)net_d_y_9.*No space left.*iteration 6 is whole.*--auto_resume"):
            tiny.train(here)
    run = here / "experiments/tiny"
    assert files(run, 9) == []
    assert tiny.leftovers(run) == []
    tiny.train(here, auto_resume=True)
    assert tiny.tensors(run) == whole


@pytest.mark.slow
def test_so_does_a_folder_that_can_no_longer_be_written(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, original = here / "experiments/tiny", TrainingRun.update_learning_rate

    def take_away(self: TrainingRun, current_iter: int, *arguments: Any, **named: Any) -> None:
        original(self, current_iter, *arguments, **named)
        if current_iter == 8:  # root may write anywhere, but not into a file
            (run / "models").rename(here / "models")
            (run / "models").touch()

    with monkeypatch.context() as patched:
        patched.setattr(TrainingRun, "update_learning_rate", take_away)
        with pytest.raises(TrainingError, match=r"net_.*_9\.pth: cannot be written.*iteration 6 is whole"):
            tiny.train(here)
    (run / "models").unlink()
    (here / "models").rename(run / "models")
    assert checkpoint_store(run).newest() == (6, ())
    assert tiny.leftovers(run) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for two checkpoints of this run."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_so_does_a_real_disk(here: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = {"val": {"signals": None}}
    with pytest.raises(TrainingError, match=r"No space left on device.*is whole"):
        launch.train(tiny.option_file(here, changes), root=small_disk)
    run = small_disk / "experiments/tiny"
    saved = iterations(run)
    assert saved
    store = checkpoint_store(run)
    assert store.newest() == (saved[-1], ())
    assert tiny.leftovers(run) == []


def checkpoint_store(run: Path) -> Any:
    from usrda_plugin.models.checkpoint_store import CheckpointStore

    return CheckpointStore(run, run / "training_states", run / "models", sorted(ALL))


def test_files_written_together_all_take_their_names_or_none(tmp_path: Path) -> None:
    def fail_after_one() -> None:
        with writing.together():
            writing.write({"a": 1}, tmp_path / "a.pth")
            assert not (tmp_path / "a.pth").exists()
            raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        fail_after_one()
    assert list(tmp_path.iterdir()) == []
    with writing.together() as written:
        writing.write({"a": 1}, tmp_path / "a.pth")
        writing.write({"b": 1}, tmp_path / "b.pth")
    assert written == [tmp_path / "a.pth", tmp_path / "b.pth"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pth", "b.pth"]


def test_a_folder_that_cannot_be_written_is_output(tmp_path: Path) -> None:
    with pytest.raises(writing.SaveError, match=r"none/a\.pth: cannot be written"):
        writing.write({"a": 1}, tmp_path / "none/a.pth")
