"""From a file to options: inheritance, overrides, coercion, defaults, and YAML that stock BasicSR reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from usrda_plugin.options import OptionsError, dump_options, load_options

Options = dict[str, Any]
Load = Callable[..., Options]


def files(folder: Path, **texts: str) -> Path:
    """Write YAML files by their names; returns the first one's path."""
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder / f"{next(iter(texts))}.yml"


def raised(file: Path, *overrides: str) -> OptionsError:
    with pytest.raises(OptionsError) as caught:
        load_options(file, is_train=True, overrides=overrides)
    return caught.value


@pytest.mark.parametrize("kind", ["paired", "unpaired"])
def test_good_options_come_back_as_they_were_written(kind: str, load: Load, request: pytest.FixtureRequest) -> None:
    opt = request.getfixturevalue(kind)
    loaded = load(opt)
    filled = {"suffix": None}
    assert {**loaded["val"]} == {**opt["val"], **filled}
    assert loaded["train"] == opt["train"]
    assert list(loaded) == list(opt)
    assert list(loaded["datasets"]["train"])[:3] == ["name", "type", "dataroot_gt"]


def test_numbers_that_yaml_reads_as_text_become_numbers(paired: Options, load: Load) -> None:
    paired["train"]["optim_g"]["lr"] = "1e-4"
    paired["train"]["total_iter"] = 4.0
    paired["train"]["pixel_opt"]["loss_weight"] = "5e-2"
    paired["network_g"]["num_feat"] = "4"
    paired["logger"]["save_checkpoint_freq"] = "5e3"
    loaded = load(paired)
    assert loaded["train"]["optim_g"]["lr"] == 1e-4
    assert loaded["train"]["total_iter"] == 4
    assert isinstance(loaded["train"]["total_iter"], int)
    assert loaded["train"]["pixel_opt"]["loss_weight"] == 0.05
    assert loaded["network_g"]["num_feat"] == 4
    assert loaded["logger"]["save_checkpoint_freq"] == 5000


def test_null_for_a_number_of_training_is_as_if_it_were_left_out(unpaired: Options, load: Load) -> None:
    train = load(unpaired, "train:ema_decay=~", "train:res_opt:loss_weight=~")["train"]
    assert "ema_decay" not in train
    assert train["res_opt"] == {"type": "L1Loss"}


def test_the_seed_is_filled_in_so_that_runs_repeat(unpaired: Options, load: Load) -> None:
    assert load(unpaired)["datasets"]["train"]["seed"] == 7
    del unpaired["manual_seed"]
    loaded = load(unpaired)
    assert loaded["manual_seed"] == 0
    assert loaded["datasets"]["train"]["seed"] == 0
    unpaired["datasets"]["train"]["seed"] = 3
    assert load(unpaired)["datasets"]["train"]["seed"] == 3


def test_data_sets_of_basicsr_get_no_seed(paired: Options, load: Load) -> None:
    assert "seed" not in load(paired)["datasets"]["train"]


def test_the_io_backend_is_told_by_the_root_where_it_is_left_out(paired: Options, load: Load) -> None:
    del paired["datasets"]["train"]["io_backend"]
    assert load(paired)["datasets"]["train"]["io_backend"] == {"type": "disk"}


def test_a_tilde_in_paths_is_the_home_folder(
    paired: Options, load: Load, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(pictures))
    paired["datasets"]["train"]["dataroot_gt"] = "~/hr"
    assert load(paired)["datasets"]["train"]["dataroot_gt"] == str(pictures / "hr")


def test_dumped_options_are_read_by_basicsr_and_by_us_again(unpaired: Options, load: Load, tmp_path: Path) -> None:
    from basicsr.utils.options import ordered_yaml

    unpaired["train"]["optim_g"]["lr"] = "1e-7"
    loaded = load(unpaired)
    file = tmp_path / "resolved.yml"
    dump_options(loaded, file)
    with file.open() as stream:
        by_basicsr = yaml.load(stream, Loader=ordered_yaml()[0])
    assert by_basicsr == loaded
    assert list(by_basicsr) == list(loaded)
    assert load_options(file, is_train=True) == loaded


def test_a_file_overrides_its_base_key_by_key(paired: Options, tmp_path: Path) -> None:
    dump_options(paired, tmp_path / "base.yml")
    file = files(tmp_path, child="_base_: base.yml\nname: child\ntrain: {pixel_opt: {loss_weight: 2}}\n")
    loaded = load_options(file, is_train=True)
    assert "_base_" not in loaded
    assert loaded["name"] == "child"
    assert loaded["train"]["pixel_opt"] == {"type": "L1Loss", "loss_weight": 2.0, "reduction": "mean"}
    assert type(loaded["train"]) is dict


def test_delete_drops_the_base_s_block(paired: Options, tmp_path: Path) -> None:
    dump_options(paired, tmp_path / "base.yml")
    network = "{_delete_: true, type: MSRResNet, num_feat: 4, num_block: 1}"
    file = files(tmp_path, child=f"_base_: [base.yml]\nnetwork_g: {network}\n")
    assert load_options(file, is_train=True)["network_g"] == {"type": "MSRResNet", "num_feat": 4, "num_block": 1}


def test_arguments_left_from_a_base_are_told_with_the_way_out(paired: Options, tmp_path: Path) -> None:
    dump_options(paired, tmp_path / "base.yml")
    file = files(tmp_path, child="_base_: base.yml\nnetwork_g: {type: MSRResNet}\n")
    [fault] = raised(file).errors
    assert fault.key == "network_g.num_grow_ch"
    assert fault.file == str(tmp_path / "base.yml")
    assert "`_delete_: true`" in fault.remedy


def test_null_takes_a_data_set_of_the_base_away(paired: Options, tmp_path: Path) -> None:
    dump_options(paired, tmp_path / "base.yml")
    file = files(tmp_path, child="_base_: base.yml\ndatasets: {val_1: ~}\nval: ~\n")
    loaded = load_options(file, is_train=True)
    assert list(loaded["datasets"]) == ["train"]
    assert "val" not in loaded


def test_null_takes_a_metric_of_the_base_away(paired: Options, tmp_path: Path) -> None:
    metrics = paired["val"]["metrics"]
    first, *others = metrics
    dump_options(paired, tmp_path / "base.yml")
    file = files(tmp_path, child=f"_base_: base.yml\nval: {{metrics: {{{first}: ~}}}}\n")
    assert list(load_options(file, is_train=True)["val"]["metrics"]) == others


def test_bases_beside_each_other_may_share_blocks(paired: Options, tmp_path: Path) -> None:
    validation = {"datasets": {"val_1": paired["datasets"].pop("val_1")}, "val": paired.pop("val")}
    dump_options(paired, tmp_path / "training.yml")
    dump_options(validation, tmp_path / "validation.yml")
    file = files(tmp_path, child="_base_: [training.yml, validation.yml]\n")
    assert list(load_options(file, is_train=True)["datasets"]) == ["train", "val_1"]


def test_a_base_reached_on_two_ways_is_no_contradiction(paired: Options, tmp_path: Path) -> None:
    dump_options(paired, tmp_path / "base.yml")
    file = files(tmp_path, child="_base_: [a.yml, b.yml]\n", a="_base_: base.yml\n", b="_base_: base.yml\n")
    assert load_options(file, is_train=True)["name"] == "a_run"


def test_a_block_replaces_the_base_s_null(paired: Options, tmp_path: Path) -> None:
    paired["train"]["pixel_opt"] = None
    dump_options(paired, tmp_path / "base.yml")
    file = files(tmp_path, child="_base_: base.yml\ntrain: {pixel_opt: {type: L1Loss}}\n")
    assert load_options(file, is_train=True)["train"]["pixel_opt"] == {"type": "L1Loss"}


def test_faults_name_the_file_where_the_value_stands(paired: Options, tmp_path: Path) -> None:
    paired["train"]["optim_g"]["lr"] = "fast"
    dump_options(paired, tmp_path / "base.yml")
    error = raised(files(tmp_path, child="_base_: base.yml\nscal: 2\n"), "train:total_iter=soon")
    assert {(fault.key, Path(fault.file).name) for fault in error.errors} == {
        ("train.optim_g.lr", "base.yml"),
        ("scal", "child.yml"),
        ("train.total_iter", "--force_yml"),
    }


@pytest.mark.parametrize(
    ("override", "keys", "value"),
    [
        ("train:optim_g:lr=2e-4", ("train", "optim_g", "lr"), 2e-4),
        ("train:scheduler:milestones=[1, 2]", ("train", "scheduler", "milestones"), [1, 2]),
        ("val:save_img=true", ("val", "save_img"), True),
        ("name=a=b", ("name",), "a=b"),
        ("train:net_d_iters=2", ("train", "net_d_iters"), 2),
        ("logger:wandb:project=none", ("logger", "wandb", "project"), None),
        ("train:pixel_opt={type: MSELoss}", ("train", "pixel_opt"), {"type": "MSELoss"}),
    ],
)
def test_overrides_are_yaml_values(
    override: str, keys: tuple[str, ...], value: Any, paired: Options, load: Load
) -> None:
    found: Any = load(paired, override)
    for key in keys:
        found = found[key]
    assert found == value


@pytest.mark.parametrize("override", ["train", "train:=1", "=3", "name=[1", "name=!!python/name:os.system"])
def test_overrides_that_cannot_be_read_are_faults(override: str, paired: Options, faults: Callable[..., Any]) -> None:
    [fault] = faults(paired, override)
    assert fault.file == "--force_yml"


def test_code_in_a_base_is_not_run(paired: Options, tmp_path: Path) -> None:
    dump_options(paired, tmp_path / "base.yml")
    marker = tmp_path / "ran"
    path = f"!!python/object/apply:pathlib.Path [{marker}]"
    evil = f"_base_: base.yml\nname: !!python/object/apply:pathlib.Path.touch [{path}]\n"
    error = raised(files(tmp_path, child=evil))
    assert "no Python objects" in str(error)
    assert not marker.exists()


# each list is nine times the one before
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
BROKEN = {
    "not closed": ("name: [1, 2", "line 1"),
    "no mapping": ("- a\n- b\n", "`key: value`"),
    "nothing": ("", "found nothing"),
    "twice": ("name: a\nscale: 2\nname: b\n", "line 3, column 1: the key 'name' stands twice"),
    "twice inside": ("train:\n  optim_g: {lr: 1, lr: 2}\n", "'lr' stands twice"),
    "number for a key": ("1: a\n", "the key 1 is not text"),
    "truth for a key": ("on: a\n", "the key True is not text"),
    "python": ("name: !!python/object/apply:os.system ['true']\n", "no Python objects"),
    "python tuple": ("a: !!python/tuple [1]\n", "no Python objects"),
    "tag that is not kept": ("a: 1\nb: !!bool perhaps\n", "line 2, column 4: cannot read 'perhaps' as bool"),
    "date that is none": ("a: 2024-13-45\n", "line 1, column 4: cannot read '2024-13-45' as timestamp; quote it"),
    "digits without end": (f"a: {'9' * 5000}\n", "as int; quote it"),
    "number for a block": ("a: !!map 3\n", "line 1, column 4: expected a"),
    "date": ("train: {total_iter: 2024-02-28}\n", "train: total_iter"),
    "number too large for torch": (f"scale: {2**63}\n", "a whole number of 19 digits is too large"),
    "half a character": ('train: {pixel_opt: {type: "L1\\ud800"}}\n', "train: pixel_opt: type"),
    "no character": ('name: "a\\0b"\n', "a character that no text file can have"),
    "lists in lists": (f"a: {'[' * 5000}\n", "line 1, column 44: more than 40 lists or blocks inside each other"),
    "aliases that multiply": (BOMB, "a8  ["),
    "alias in itself": ("a: &a {b: *a}\n", "an alias contains itself"),
    "two documents": ("a: 1\n---\nb: 2\n", "expected a single document"),
    "base is a number": ("_base_: 3\n", "expected option files *.yml or *.yaml, found 3"),
    "missing base": ("_base_: nowhere.yml\n", "nowhere.yml: No such file"),
    "python base": ("_base_: code.py\n", "found 'code.py'"),
    "itself": ("_base_: broken.yml\n", "in a circle: broken.yml -> broken.yml"),
}


@pytest.mark.parametrize(("text", "part"), BROKEN.values(), ids=BROKEN.keys())
def test_files_that_are_no_option_files_are_faults(text: str, part: str, tmp_path: Path) -> None:
    error = raised(files(tmp_path, broken=text))
    assert part in str(error)
    assert str(tmp_path / "broken.yml") in str(error)


def test_a_circle_of_bases_is_told_in_full(tmp_path: Path) -> None:
    error = raised(files(tmp_path, a="_base_: b.yml\n", b="_base_: c.yml\n", c="_base_: a.yml\n"))
    assert "a.yml -> b.yml -> c.yml -> a.yml" in str(error)


def test_two_bases_that_contradict_each_other_are_a_fault(tmp_path: Path) -> None:
    texts = {"a": "_base_: [b.yml, c.yml]\n", "b": "train: {total_iter: 1}\n", "c": "train: {total_iter: 2}\n"}
    [fault] = raised(files(tmp_path, **texts)).errors
    assert fault.key == "train.total_iter"
    assert "c.yml" in fault.message
    assert "chain the bases" in fault.remedy


def test_a_block_over_a_value_of_the_base_is_a_fault(tmp_path: Path) -> None:
    [fault] = raised(files(tmp_path, a="_base_: b.yml\nname: {first: a}\n", b="name: b\n")).errors
    assert "is a dict in the child config" in fault.message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"\xff\xfe\x00name", "line 1: expected text in UTF-8, found UTF-16"),
        (b"a: 1\nb: \xe4", "line 2: expected text in UTF-8, found the byte 0xe4"),
        (b"a: 1\n\nname: \x00", "line 3: the character U+0000"),
    ],
)
def test_binary_files_are_faults(content: bytes, part: str, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_bytes(content)
    assert part in str(raised(tmp_path / "a.yml"))


def test_a_missing_or_foreign_file_is_a_fault(tmp_path: Path) -> None:
    assert "No such file" in str(raised(tmp_path / "none.yml"))
    (tmp_path / "a.txt").write_text("name: a\n")
    assert "*.yml" in str(raised(tmp_path / "a.txt"))
    (tmp_path / "folder.yml").mkdir()
    assert "Is a directory" in str(raised(tmp_path / "folder.yml"))


def test_one_message_lists_all_faults_with_place_and_remedy(paired: Options, load: Load) -> None:
    paired["train"]["optim_g"]["lr"] = "fast"
    paired["datasets"]["train"]["dataroot_gt"] = "/nowhere"
    paired["model_type"] = "SRModl"
    with pytest.raises(OptionsError) as caught:
        load(paired)
    message = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert len(caught.value.errors) == 3
    assert "3 faults" in message
    for part in ("train: optim_g: lr", "found 'fast'", "/nowhere does not exist", "did you mean 'SRModel'?", "remedy:"):
        assert part in message


def test_loading_creates_nothing(paired: Options, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    load(paired)
    with pytest.raises(OptionsError):
        load(paired, "scale=9")
    assert [entry.name for entry in tmp_path.iterdir()] == ["options.yml"]
