"""``usrda init``: what it writes at which scale, that it passes the check and trains, and what is never touched."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from tests.options.test_shipped_options import SMALL, check_validation, furnish, newest_log, reduced, write_images
from usrda_plugin import recipe_files
from usrda_plugin.choices import Recipe
from usrda_plugin.cli import basicsr, init, usrda
from usrda_plugin.cli.commands.init import EXAMPLES
from usrda_plugin.options import load_options
from usrda_plugin.options.inheritance import read_chain
from usrda_plugin.recipe_files import RECIPES, Wanted
from usrda_plugin.shipped import recipes_folder

Capture = pytest.CaptureFixture[str]
OFFERED = [Wanted(recipe, scale) for recipe, contents in RECIPES.items() for scale in contents.scales]
FAST = [Wanted("adapt", 2), Wanted("psnr", 1)]


@pytest.fixture
def place(tmp_path: Path, vgg_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, empty; the perceptual loss finds its weights by the environment."""
    monkeypatch.setenv("USRDA_VGG_WEIGHTS", str(vgg_file))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in sorted(folder.rglob("*")) if file.is_file()}


def files_of(wanted: Wanted) -> list[str]:
    return [name for name in (wanted.start, wanted.train, wanted.test) if name]


@pytest.mark.parametrize("line", re.findall(r"usrda (init.*)", EXAMPLES))
def test_the_examples_of_the_help_write_files(line: str, place: Path, capsys: Capture) -> None:
    arguments = shlex.split(line)
    assert usrda.main(arguments) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{arguments[1]}: ")
    assert len(told) == 4, "a line of what was done and three of what is next"
    for command in re.findall(r"basicsr (?:train|test) -opt (\S+)", "\n".join(told)):
        assert Path(command).is_file()
    assert [path.name for path in place.iterdir()] == [arguments[1]], "nothing is left beside the folder"


def test_the_help_has_the_examples(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        usrda.main(["init", "--help"])
    told = capsys.readouterr().out
    assert "\n".join(EXAMPLES.splitlines()[1:]) in told
    assert all(re.search(rf"\b{recipe}\b", told) for recipe in get_args(Recipe))


def test_without_a_folder_it_says_what_there_is(place: Path, capsys: Capture) -> None:
    assert usrda.main(["init"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("usrda: expected a folder for the option files, found none; give one\n")
    assert all(re.search(rf"\b{recipe}\b", told) for recipe in get_args(Recipe))
    assert "usrda init options" in told
    assert not any(place.iterdir())


def test_at_the_shipped_scale_the_files_are_the_shipped_ones(place: Path) -> None:
    assert usrda.main(["init", "options", "--recipe", "plus"]) == 0
    for name, text in contents(place / "options").items():
        assert text == (recipes_folder() / name).read_text(), name


def test_each_recipe_can_be_chosen_and_names_files_that_are_shipped() -> None:
    assert set(RECIPES) == set(get_args(Recipe))
    for recipe in RECIPES.values():
        for name in (recipe.train, recipe.test, *([recipe.start] if recipe.start else [])):
            assert (recipes_folder() / f"{name}.yml").is_file()


@pytest.mark.parametrize("wanted", OFFERED, ids=str)
def test_files_are_complete_commented_and_at_their_scale(wanted: Wanted, place: Path) -> None:
    texts = wanted.texts()
    init.place(texts, place / "options")
    names = files_of(wanted)
    for name in names:
        options = read_chain(place / "options" / name).opt  # all bases are there
        assert options["name"] == name.removesuffix(".yml")
        assert options["scale"] == options["network_g"]["scale"] == wanted.scale
        assert all(metric["crop_border"] == wanted.scale for metric in options["val"].get("metrics", {}).values())
        start = options["path"]["pretrain_network_g"]
        if start:
            assert start.split("/")[1] + ".yml" in names, "a file beside it makes what it starts from"
    for name, text in texts.items():
        if name != "schema.json":
            shipped = recipes_folder() / name.replace(f"_x{wanted.scale}.yml", ".yml")
            assert text.count("#") >= shipped.read_text().count("#") - 1, "comments stay"
            assert text.splitlines()[0].startswith("# yaml-language-server: $schema=")
            assert not re.search(r"\bscale:? 4\b", text) or wanted.scale == 4
            assert yaml.safe_load(text)


@pytest.mark.parametrize(
    "wanted", [pytest.param(w, id=str(w), marks=() if w in FAST else pytest.mark.slow) for w in OFFERED]
)
def test_the_files_pass_the_check_as_they_stand(wanted: Wanted, place: Path) -> None:
    init.place(wanted.texts(), place / "options")
    write_images(Path("datasets/target/LR"), 12, 160)  # at scale 1 a patch of LR pixels is as large as one of HR
    for name in files_of(wanted):
        options = read_chain(place / "options" / name).opt
        furnish_for(options, place, width=None)
        load_options(place / "options" / name, is_train=name.startswith("train_"))


def furnish_for(options: dict[str, Any], place: Path, width: dict[str, Any] | None) -> None:
    """What the options name, by option files of this folder instead of the shipped ones."""
    made = {file.stem: read_chain(file).opt for file in (place / "options").glob("*.yml")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.options.test_shipped_options.RESOLVED", made)
        furnish(options, width)


def test_a_photographer_makes_the_start_and_trains_from_it(place: Path) -> None:
    assert usrda.main(["init", "mine", "--scale", "2"]) == 0
    wanted = Wanted("adapt", 2)
    names = [str(wanted.start), wanted.train]
    furnish(read_chain(place / "mine" / wanted.train).opt | {"path": {}}, SMALL)
    for name in names:
        options = read_chain(place / "mine" / name).opt
        overrides = reduced(options) + (["train:scheduler:periods=[3]"] if name == wanted.start else [])
        assert basicsr.main(["train", "-opt", f"mine/{name}", "--force_yml", *overrides]) == 0
        run = place / "experiments" / name.removesuffix(".yml")
        check_validation(options, run, newest_log(run))
    assert "experiments/train_psnr_x2/models/net_g_latest.pth" in newest_log(place / "experiments/train_adapt_x2")
    overrides = reduced(read_chain(place / "mine" / wanted.test).opt)
    assert basicsr.main(["test", "-opt", f"mine/{wanted.test}", "--force_yml", *overrides]) == 0


def test_without_its_start_a_training_says_which_command_makes_it(place: Path, capsys: Capture) -> None:
    assert usrda.main(["init", "mine"]) == 0
    furnish(read_chain(place / "mine/train_adapt.yml").opt | {"path": {}}, None)
    assert basicsr.main(["train", "-opt", "mine/train_adapt.yml"]) == 2
    assert "make it: basicsr train -opt mine/train_psnr.yml; or correct the path" in capsys.readouterr().err
    assert not (place / "experiments").exists()


@pytest.mark.parametrize(("recipe", "scale"), [("adapt", 3), ("psnr", 3), ("usrda", 5), ("plus", 0), ("camera", -1)])
def test_a_scale_that_a_recipe_has_not_is_refused_with_those_that_it_has(
    recipe: str, scale: int, place: Path, capsys: Capture
) -> None:
    assert usrda.main(["init", "options", "--recipe", recipe, f"--scale={scale}"]) == 2
    told = capsys.readouterr().err
    scales = "1, 2, 3 or 4" if recipe == "usrda" else "1, 2 or 4"
    assert told.startswith(f"usrda: expected a scale of the recipe {recipe}: {scales}, found {scale}")
    assert told.endswith("; 3 is a scale of the recipe usrda\n") == (scale == 3)
    assert not any(place.iterdir())


def test_files_of_the_user_s_stay_and_are_named_and_none_is_written(place: Path, capsys: Capture) -> None:
    (place / "options/_base_").mkdir(parents=True)
    (place / "options/train_adapt.yml").write_text("mine")
    (place / "options/_base_/test.yml").symlink_to("nowhere")
    (place / "options/notes.txt").write_text("mine too")
    before = sorted(place.rglob("*"))
    assert usrda.main(["init", "options"]) == 2
    told = capsys.readouterr().err
    assert "found _base_/test.yml, train_adapt.yml with another content; nothing was written" in told
    assert sorted(place.rglob("*")) == before
    assert (place / "options/train_adapt.yml").read_text() == "mine"


def test_a_folder_with_other_files_gets_the_files_once(place: Path, capsys: Capture) -> None:
    (place / "options").mkdir()
    (place / "options/notes.txt").write_text("mine")
    assert usrda.main(["init", "options"]) == 0
    written = contents(place / "options")
    assert written == Wanted("adapt", 4).texts() | {"notes.txt": "mine"}
    (place / "options/test_adapt.yml").unlink()
    capsys.readouterr()
    assert usrda.main(["init", "options"]) == 0
    assert f"({len(written) - 2} of them there before)" in capsys.readouterr().out
    assert contents(place / "options") == written


@pytest.mark.parametrize("there", [True, False], ids=["a folder that is there", "a new folder"])
def test_a_disk_that_is_full_leaves_nothing(there: bool, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if there:
        (place / "options").mkdir()
    before = sorted(place.rglob("*"))
    monkeypatch.setattr(init, "_move", out_of_room(init._move)) if there else monkeypatch.setattr(
        Path, "rename", lambda *_: full()
    )
    assert usrda.main(["init", "options"]) == 2
    assert sorted(place.rglob("*")) == before


def out_of_room(move: Any) -> Any:
    """As ``move``, but the last file cannot be written."""

    def failing(staged: Path, folder: Path, names: list[str]) -> None:
        (staged / names[-1]).unlink()
        move(staged, folder, names)

    return failing


def full() -> Iterator[None]:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("folder", ["photo.jpg", "photo.jpg/options"])
def test_a_place_that_is_no_folder_is_told(folder: str, place: Path, capsys: Capture) -> None:
    (place / "photo.jpg").write_bytes(b"mine")
    assert usrda.main(["init", folder]) == 2
    assert f"expected a folder that option files can be written to, found {folder}: " in capsys.readouterr().err
    assert [path.name for path in place.iterdir()] == ["photo.jpg"]
    assert (place / "photo.jpg").read_bytes() == b"mine"


def test_names_of_two_scales_do_not_meet() -> None:
    one, other = (set(recipe_files.Wanted("usrda", scale).texts()) for scale in (2, 4))
    assert {name for name in one & other if not name.startswith("_base_")} == {"schema.json"}


def test_all_files_of_a_recipe_speak_of_networks_of_one_size() -> None:
    for wanted in OFFERED:
        texts = wanted.texts()
        blocks = {number for text in texts.values() for number in re.findall(r"num_block: (\d+)", text)}
        assert len(blocks) == 1, wanted


def test_a_name_with_spaces_is_a_command_that_can_be_pasted(place: Path, capsys: Capture) -> None:
    assert usrda.main(["init", "my options"]) == 0
    assert "basicsr train -opt 'my options/train_adapt.yml'" in capsys.readouterr().out
