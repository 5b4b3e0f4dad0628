"""A run that goes on with other options: applied, reported or refused, as one table says."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from basicsr.models.base_model import BaseModel
from torch import nn

from tests.training import tiny
from tests.training.test_exact_resume import GAN, SR
from usrda_plugin.errors import SetupError
from usrda_plugin.training.changes import TABLE, changes, flatten, markdown, refuse, row_of
from usrda_plugin.training.sampler_state import SamplerState
from usrda_plugin.training.schedules import Built, follow_rates

# a change of each row of the table
EXAMPLES: dict[str, tuple[dict[str, Any], str]] = {
    "model_type": ({"model_type": "SRModel"}, "model_type"),
    "scale": ({"scale": 4}, "scale"),
    "network_*": ({"network_d_f": {"num_feat": 8}}, "network_d_f:num_feat"),
    "train:optim_*:type": ({"train": {"optim_g": {"type": "SGD", "lr": 1e-3}}}, "train:optim_g:type"),
    "train:optim_*:amsgrad": ({"train": {"optim_g": {"amsgrad": True}}}, "train:optim_g:amsgrad"),
    "train:optim_*:lr": ({"train": {"optim_d": {"lr": 1e-4}}}, "train:optim_d:lr"),
    "train:scheduler:*": ({"train": {"scheduler": {"milestones": [5, 8]}}}, "train:scheduler:milestones"),
    "train:warmup_iter": ({"train": {"warmup_iter": 5}}, "train:warmup_iter"),
    "train:optim_*": ({"train": {"optim_g": {"weight_decay": 0.1}}}, "train:optim_g:weight_decay"),
    "train:total_iter": ({"train": {"total_iter": 13}}, "train:total_iter"),
    "train:ema_decay": ({"train": {"ema_decay": None}}, "train:ema_decay"),
    "train:*_opt": ({"train": {"sty_opt": {"loss_weight": 0.5}}}, "train:sty_opt:loss_weight"),
    "train:amp": ({"train": {"amp": "bf16"}}, "train:amp"),
    "train:*": ({"train": {"clip_grad_norm": 1.0}}, "train:clip_grad_norm"),
    "datasets:train:num_worker_per_gpu": (
        {"datasets": {"train": {"num_worker_per_gpu": 1}}}, "datasets:train:num_worker_per_gpu"
    ),
    "datasets:train:prefetch_mode": ({"datasets": {"train": {"prefetch_mode": "cpu"}}}, "datasets:train:prefetch_mode"),
    "datasets:train:num_prefetch_queue": (
        {"datasets": {"train": {"num_prefetch_queue": 2}}}, "datasets:train:num_prefetch_queue"
    ),
    "datasets:train:persistent_workers": (
        {"datasets": {"train": {"persistent_workers": False}}}, "datasets:train:persistent_workers"
    ),
    "datasets:train:pin_memory": ({"datasets": {"train": {"pin_memory": False}}}, "datasets:train:pin_memory"),
    "datasets:train:cache_in_memory": (
        {"datasets": {"train": {"cache_in_memory": True}}}, "datasets:train:cache_in_memory"
    ),
    "datasets:train:name": ({"datasets": {"train": {"name": "others"}}}, "datasets:train:name"),
    "datasets:train:batch_size_per_gpu": (
        {"datasets": {"train": {"batch_size_per_gpu": 3}}}, "datasets:train:batch_size_per_gpu"
    ),
    "datasets:train:seed": ({"datasets": {"train": {"seed": 8}}}, "datasets:train:seed"),
    "datasets:train:dataroot*": ({"datasets": {"train": {"dataroot_gt": "val_hr"}}}, "datasets:train:dataroot_gt"),
    "datasets:train:io_backend": (
        {"datasets": {"train": {"io_backend": {"type": "disk"}}}}, "datasets:train:io_backend"
    ),
    "datasets:train:meta_info*": (
        {"datasets": {"train": {"meta_info_target": "names.txt"}}}, "datasets:train:meta_info_target"
    ),
    "datasets:train:*": ({"datasets": {"train": {"gt_size": 12}}}, "datasets:train:gt_size"),
    "datasets:*": ({"datasets": {"val": {"name": "more"}}}, "datasets:val:name"),
    "val:metrics:*": ({"val": {"metrics": {"psnr": {"crop_border": 0}}}}, "val:metrics:psnr:crop_border"),
    "val:*": ({"val": {"val_freq": 4}}, "val:val_freq"),
    "logger:*": ({"logger": {"keep_last": 2}}, "logger:keep_last"),
    "manual_seed": ({"manual_seed": 4}, "manual_seed"),
    "num_gpu": ({"num_gpu": 1}, "num_gpu"),
    "threads": ({"threads": 3}, "threads"),
    "*": ({"queue_size": 4}, "queue_size"),
}  # fmt: skip


def test_every_row_has_an_example_that_falls_under_it_alone() -> None:
    assert list(EXAMPLES) == [row.pattern for row in TABLE]
    old = flatten(tiny.OPTIONS)
    for pattern, (change, place) in EXAMPLES.items():
        found = {
            change.place: change.row.pattern for change in changes(old, flatten(tiny.merged(tiny.OPTIONS, change)))
        }
        assert found[place] == pattern
        assert row_of(place).pattern == pattern


def test_the_page_shows_the_table() -> None:
    assert markdown() in (Path(__file__).parents[2] / "docs/reliability.md").read_text(encoding="utf-8")


def test_nothing_has_changed_where_nothing_has() -> None:
    assert (
        changes(flatten(tiny.OPTIONS), flatten({**tiny.OPTIONS, "name": "moved", "path": {"root": "elsewhere"}})) == []
    )


def test_a_refusal_names_key_old_new_and_the_way() -> None:
    found = changes({"network_g:num_feat": 4}, {"network_g:num_feat": 8, "logger:print_freq": 1})
    with pytest.raises(ValueError, match=r"checkpoint 6.*\n  network_g:num_feat: was 4, is 8; .*\n.*another name.*"):
        refuse(found, 6, "models/net_g_6.pth")


def test_a_block_that_comes_or_goes_is_one_change_under_its_strictest_row() -> None:
    old = flatten({"val": {"metrics": {"psnr": {"type": "p"}}}, "datasets": {"val": {"name": "a", "type": "b"}}})
    new = flatten({"val": {"metrics": {"psnr": {"type": "p"}, "ssim": {"type": "s", "crop_border": 2}}},
                "train": {"optim_d": {"lr": 1, "type": "Adam"}}})  # fmt: skip
    ssim, train, gone = changes(old, new)
    assert str(ssim) == "val:metrics:ssim: was not given, is {'type': 's', 'crop_border': 2}"
    assert (train.place, train.row.effect) == ("train", "refused")
    assert str(gone) == "datasets: was {'val:name': 'a', 'val:type': 'b'}, is not given"
    assert (ssim.row.pattern, gone.row.pattern) == ("val:metrics:*", "datasets:*")


def test_a_long_value_is_cut() -> None:
    [change] = changes({"train:scheduler:periods": [1]}, {"train:scheduler:periods": [1000] * 5000})
    assert len(str(change)) < 300
    assert str(change).endswith("... (30000 characters)")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that has six of its twelve iterations."""
    folder = tmp_path_factory.mktemp("stopped")
    tiny.images(folder)
    (folder / "names.txt").write_text("0.png\n1.png\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        tiny.train_killed(patched, 7, folder)
    return folder


@pytest.fixture
def here(stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, which is the current one."""
    folder = tmp_path / "here"
    shutil.copytree(stopped, folder)
    monkeypatch.chdir(folder)
    return folder


def log_of(run: Path) -> str:
    return max(run.glob("train_*.log"), key=lambda file: file.stat().st_mtime_ns).read_text()


# what the option check itself refuses here, or a GPU would be needed for, is seen by the tests of the table alone
QUICK = ("train:optim_*:lr", "datasets:train:seed", "train:*_opt", "train:ema_decay")
TRIED = [
    row.pattern
    for row in TABLE
    if row.pattern not in ("model_type", "scale", "train:optim_*:type", "num_gpu", "threads", "*")
]


@pytest.mark.parametrize(
    "pattern", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TRIED]
)
def test_a_run_goes_on_and_says_so_or_is_refused_before_anything_is_written(here: Path, pattern: str) -> None:
    change, place = EXAMPLES[pattern]
    row = next(row for row in TABLE if row.pattern == pattern)
    change = tiny.merged(change, {"train": {"total_iter": 8}})
    before = sorted(here.rglob("*"))
    if row.effect == "refused":
        with pytest.raises(SetupError, match=rf"(?s)checkpoint 6.*{place}: was .*, is .*another name"):
            tiny.train(here, change, auto_resume=True)
        assert [file for file in sorted(here.rglob("*")) if file not in before and file.name != "tiny.yml"] == []
        return
    run = tiny.train(here, change, auto_resume=True)
    line = next(line for line in log_of(run).splitlines() if f"Going on with other options: {place}: was" in line)
    assert f"({row.effect}: {row.follows})" in line
    assert ("WARNING" in line) == (row.effect == "reported")


def rates(run: Path) -> dict[str, str]:
    """The rate of each iteration, as it was logged last."""
    return {number: line.split()[0] for number, line in tiny.logged(run).items() if number.isdigit()}


MULTI = {"type": "MultiStepLR", "milestones": [6, 9], "gamma": 0.5}
OTHER_RATES = {
    "lr": {"optim_g": {"lr": 3e-4}},
    "milestones before": {"scheduler": {**MULTI, "milestones": [4, 8]}},
    "milestones ahead": {"scheduler": {**MULTI, "milestones": [10]}},
    "gamma": {"scheduler": {**MULTI, "gamma": 0.1}},
    "lr and warm-up": {"optim_g": {"lr": 3e-4}, "warmup_iter": 9},
    "another schedule": {"scheduler": {"type": "CosineAnnealingRestartLR", "periods": [6, 6],
                                       "restart_weights": [1, 0.5], "eta_min": 1e-6}},
}  # fmt: skip


@pytest.mark.parametrize(
    "kind", [name if name == "lr" else pytest.param(name, marks=pytest.mark.slow) for name in OTHER_RATES]
)
def test_a_new_rate_or_schedule_holds_as_if_it_had_from_the_first_iteration(here: Path, kind: str) -> None:
    change = {"train": OTHER_RATES[kind]}
    run = tiny.train(here, change, auto_resume=True)
    found = rates(run)
    shutil.rmtree(run)
    expected = rates(tiny.train(here, change))
    assert [found[str(number)] for number in range(7, 13)] == [expected[str(number)] for number in range(7, 13)]
    state = torch.load(run / "training_states/12.state", weights_only=True)
    assert "base_lrs" in state["schedulers"][0]


class Stepping(BaseModel):
    """As much of a model as has a learning rate."""

    def __init__(self, scheduler: dict[str, Any], **optimizer: Any) -> None:
        self.opt = {"train": {"scheduler": dict(scheduler)}}
        self.optimizers = [torch.optim.Adam(nn.Linear(1, 1).parameters(), **optimizer) for _ in range(2)]
        self.schedulers = []
        BaseModel.setup_schedulers.__wrapped__(self)  # without the guard of steps that comes with it

    def go(self, first: int, last: int, warmup_iter: int) -> list[float]:
        found = []
        for current in range(first, last + 1):
            for optimizer in self.optimizers:
                optimizer.step()
            self.update_learning_rate(current, warmup_iter=warmup_iter)
            found.append(self.get_current_learning_rate()[0])
        return found

    def states(self) -> tuple[list[Any], list[Any]]:
        return [one.state_dict() for one in self.optimizers], [one.state_dict() for one in self.schedulers]


SCHEDULERS = [
    {"type": "MultiStepLR", "milestones": [5, 11], "gamma": 0.3},
    {
        "type": "MultiStepRestartLR",
        "milestones": [3, 3, 9],
        "gamma": 0.7,
        "restarts": [0, 6],
        "restart_weights": [1, 0.5],
    },
    {"type": "CosineAnnealingRestartLR", "periods": [7, 13], "restart_weights": [1, 0.25], "eta_min": 1e-7},
    {"type": "CosineAnnealingRestartLR", "periods": [20], "restart_weights": [1], "eta_min": 0},
]  # fmt: skip


@pytest.mark.parametrize("warmup_iter", [-1, 4, 12])
@pytest.mark.parametrize("stop", [1, 6, 8])
@pytest.mark.parametrize("old", SCHEDULERS)
@pytest.mark.parametrize("new", SCHEDULERS)
def test_rates_follow_every_schedule_to_the_last_bit(
    old: dict[str, Any], new: dict[str, Any], stop: int, warmup_iter: int
) -> None:
    before, whole = Stepping(old, lr=1e-3), Stepping(new, lr=7e-4, betas=(0.5, 0.9))
    before.go(1, stop, 3)
    expected = whole.go(1, 18, warmup_iter)
    resumed = Stepping(new, lr=7e-4, betas=(0.5, 0.9))
    built = Built.of(resumed)
    load(resumed, before)
    lines = built.apply(
        resumed, warmup_changed=True, follow=lambda: follow_rates(resumed.update_learning_rate, stop, warmup_iter)
    )
    assert any("betas" in line for line in lines)
    assert resumed.go(stop + 1, 18, warmup_iter) == expected[stop:]
    assert resumed.optimizers[1].param_groups[0]["betas"] == (0.5, 0.9)
    assert resumed.states()[1] == whole.states()[1]


def load(model: Stepping, other: Stepping) -> None:
    optimizers, schedulers = other.states()
    for one, state in zip(model.optimizers + model.schedulers, optimizers + schedulers, strict=True):
        one.load_state_dict(state)


@pytest.mark.parametrize("schedule", SCHEDULERS)
def test_the_same_options_leave_a_loaded_state_alone(schedule: dict[str, Any]) -> None:
    before, resumed = Stepping(schedule, lr=1e-3), Stepping(schedule, lr=1e-3)
    before.go(1, 8, 5)
    built = Built.of(resumed)
    load(resumed, before)
    expected = resumed.states()
    assert built.apply(resumed, warmup_changed=False, follow=pytest.fail) == []
    assert resumed.states() == expected


@pytest.mark.slow
@pytest.mark.parametrize("model", [SR, GAN], ids=["SRModel", "ESRGANModel"])
def test_so_it_does_for_basicsrs_own_models_and_for_its_own_states(
    here: Path, monkeypatch: pytest.MonkeyPatch, model: dict[str, Any]
) -> None:
    shutil.rmtree(here / "experiments")
    run = tiny.train_killed(monkeypatch, 7, here, model)
    for file in (run / "training_states").glob("*.[mj]*"):
        file.unlink()  # stock BasicSR leaves neither manifest nor more
    change = tiny.merged(model, {"train": {"optim_g": {"lr": 2e-4, "betas": [0.5, 0.9]}}})
    tiny.train(here, change, auto_resume=True)
    assert "Going on with another lr of optimizer 1: the state has 0.001, the options 0.0002 (applied)" in log_of(run)
    assert "Going on with another betas of optimizer 1" in log_of(run)
    found = rates(run)
    state = torch.load(run / "training_states/12.state", weights_only=True)
    assert [*state["optimizers"][0]["param_groups"][0]["betas"]] == [0.5, 0.9]
    shutil.rmtree(run)
    expected = rates(tiny.train(here, change))
    assert [found[str(number)] for number in range(7, 13)] == [expected[str(number)] for number in range(7, 13)]


def test_a_term_taken_away_with_its_critic_is_refused(here: Path) -> None:
    without = {"train": {"align_opt": None}, "network_d_f": None}
    with pytest.raises(SetupError, match=r"(?s)network_d_f: was .*'USRDADiscriminator'.*, is not given"):
        tiny.train(here, without, auto_resume=True)
    with pytest.raises(SetupError, match=r"expected the networks.*checkpoint 6.*that net_d_f of it would not be"):
        tiny.train(here, {"train": {"align_opt": None}}, auto_resume=True)


@pytest.mark.slow
def test_a_network_that_the_checkpoint_has_not_may_change_or_go(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(here / "experiments")
    unused = {"train": {"align_opt": None, "total_iter": 8}}
    tiny.train_killed(monkeypatch, 7, here, unused)
    run = tiny.train(here, {**unused, "network_d_f": None}, auto_resume=True)
    assert "network_d_f: was {" in log_of(run)
    assert "is not given (reported: the checkpoint has no such network)" in log_of(run)


@pytest.mark.slow
def test_a_term_that_comes_with_a_critic_of_its_own_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(here / "experiments")
    tiny.train_killed(monkeypatch, 7, here, {"train": {"align_opt": None}})
    with pytest.raises(SetupError, match=r"net_d_f_6\.pth.*checkpoint 6 was trained without it"):
        tiny.train(here, auto_resume=True)


def test_the_refusal_of_a_term_names_it_and_the_copied_options_stay(here: Path) -> None:
    copied = here / "experiments/tiny/tiny.yml"
    before, files = copied.read_bytes(), sorted((here / "experiments").rglob("*"))
    with pytest.raises(SetupError, match=r"(?s)net_d_t of it.*train:sty_opt: was .*, is not given.*net_g_6\.pth"):
        tiny.train(here, {"train": {"sty_opt": None}, "logger": {"use_tb_logger": True}}, auto_resume=True)
    assert copied.read_bytes() == before
    assert sorted((here / "experiments").rglob("*")) == files
    assert not (here / "tb_logger").exists()


def test_best_metrics_begin_anew_when_a_metric_is_measured_otherwise(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = here / "experiments/tiny/training_states/6.more"
    best = torch.load(file, weights_only=True)["best_metrics"]["pairs"]["psnr"]["val"]
    other = {"val": {"metrics": {"psnr": {"crop_border": 0}}, "val_freq": 50}, "train": {"total_iter": 8}}
    run = tiny.train_killed(monkeypatch, 8, here, {**other, "logger": {"save_checkpoint_freq": 7}}, auto_resume=True)
    found = torch.load(run / "training_states/7.more", weights_only=True)["best_metrics"]
    assert best > 0
    assert found.get("pairs", {}).get("psnr", {}).get("iter", -1) == -1


def test_a_finished_run_that_is_started_again_says_so_and_changes_nothing(here: Path) -> None:
    tiny.train(here, {"train": {"total_iter": 6}}, auto_resume=True)
    run = here / "experiments/tiny"
    expected = tiny.tensors(run), tiny.logged(run)
    tiny.train(here, {"train": {"total_iter": 6}}, auto_resume=True)
    assert "Training was done already: checkpoint 6 is its last (train: total_iter)" in log_of(run)
    assert (tiny.tensors(run), tiny.logged(run)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [{"fused": True}, {"foreach": False}], ids=str)
def test_steps_are_computed_as_the_options_say(
    here: Path, monkeypatch: pytest.MonkeyPatch, kernel: dict[str, Any]
) -> None:
    shutil.rmtree(here / "experiments")
    for first, then in ((None, kernel), (kernel, None)):
        changed = [tiny.merged(SR, {"train": {"optim_g": change}} if change else {}) for change in (first, then)]
        tiny.train_killed(monkeypatch, 7, here, changed[0])
        run = tiny.train(here, changed[1], auto_resume=True)
        [optimizer] = torch.load(run / "training_states/12.state", weights_only=True)["optimizers"]
        [group] = optimizer["param_groups"]
        assert {name: group[name] for name in kernel} == (then or dict.fromkeys(kernel))
        shutil.rmtree(here / "experiments")


def without_options(run: Path) -> None:
    """Take from a run's checkpoints what those of earlier versions have not."""
    for file in (run / "training_states").glob("*.more"):
        more = torch.load(file, weights_only=True)
        del more["options"]
        torch.save(more, file)
        file.with_suffix(".json").unlink()


def test_moments_that_do_not_fit_are_refused_where_no_options_were_kept(here: Path) -> None:
    without_options(here / "experiments/tiny")
    with pytest.raises(SetupError, match=r"optimizer 1 of the kind with which checkpoint 6.*amsgrad: True for False"):
        tiny.train(here, {"train": {"optim_g": {"amsgrad": True}}}, auto_resume=True)


@pytest.mark.slow
def test_a_warm_up_is_followed_where_no_options_were_kept(here: Path) -> None:
    without_options(here / "experiments/tiny")
    change = {"train": {"warmup_iter": -1}}
    run = tiny.train(here, change, auto_resume=True)
    assert "Going on with another learning rate here: the state has [" in log_of(run)
    found = rates(run)
    shutil.rmtree(run)
    expected = rates(tiny.train(here, change))
    assert [found[str(number)] for number in range(7, 13)] == [expected[str(number)] for number in range(7, 13)]


def test_an_end_that_is_past_is_refused(here: Path) -> None:
    with pytest.raises(SetupError, match=r"total_iter: expected 6 or more, the iteration of the checkpoint, found 5"):
        tiny.train(here, {"train": {"total_iter": 5}}, auto_resume=True)


def test_samples_are_counted_by_the_loaders_batch_whatever_makes_it_larger() -> None:
    state = SamplerState(epoch=2, first=4)
    for _ in range(3):
        state.advance(2)
    saved = state.to_save(SimpleNamespace(total_size=100), {"world_size": 1}, batch=8)  # two GPUs of four
    assert saved["samples"] == 4 + 3 * 8


@pytest.fixture
def doubled(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let loaders have twice the batch, as DataParallel's have on two GPUs."""
    from basicsr import train

    original = train.build_dataloader

    def double() -> None:
        monkeypatch.setattr(
            train, "build_dataloader",
            lambda dataset, opt, **named: original(dataset, {**opt, "batch_size_per_gpu": 2 * opt["batch_size_per_gpu"]}
                                                   if opt["phase"] == "train" else opt, **named),
        )  # fmt: skip

    return double


def test_data_parallel_goes_on_at_the_right_sample(
    here: Path, monkeypatch: pytest.MonkeyPatch, doubled: Callable[[], None]
) -> None:
    shutil.rmtree(here / "experiments")
    doubled()
    run = tiny.train_killed(monkeypatch, 5, here, {"datasets": {"train": {"dataset_enlarge_ratio": 4}}})
    more = torch.load(run / "training_states/3.more", weights_only=True)
    assert more["position"]["samples"] == 3 * 4
    assert Counter(more["options"])["train:optim_g:lr"] == 1e-3


def test_another_number_of_threads_is_reported(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 1)
    run = tiny.train(here, {"train": {"total_iter": 7}}, auto_resume=True)
    assert f"threads: was {threads}, is {threads + 1} (reported: a CPU adds up in another order" in log_of(run)
