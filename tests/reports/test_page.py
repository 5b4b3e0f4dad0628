"""What every page keeps: it is one file, asks nobody for anything, and shows any text as text."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.reports.made import NASTY, Parsed, make_scene, parsed
from usrda_plugin.errors import SetupError
from usrda_plugin.reports import Comparison, LeftOut, Scene, View, write_comparison, write_report
from usrda_plugin.reports.data_urls import data_url, inline

ADDRESSES = ("src", "href", "srcset", "action", "data", "poster", "formaction", "ping", "xlink:href", "background")


@pytest.fixture(params=["comparison", "report"])
def page(request: pytest.FixtureRequest, tmp_path: Path, adapted_folder: Path, scenes: list[Scene]) -> Parsed:
    """A page of each kind, with everything in it, and names that are dangerous in HTML."""
    comparison = Comparison(scenes, 2, (LeftOut(NASTY, f"no picture: {NASTY}"),))
    file = tmp_path / "page.html"
    if request.param == "report":
        write_report(adapted_folder, file, comparison)
    else:
        write_comparison(comparison, file)
    return parsed(file)


def test_nothing_in_a_page_has_an_address_elsewhere(page: Parsed) -> None:
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ADDRESSES]
    assert len(addresses) > 8
    assert all(str(value).startswith(("data:", "#")) for value in addresses)
    assert not re.search(r"url\(|@import|https?://", page.raw["style"])
    assert not re.search(r"fetch|XMLHttp|WebSocket|import\(|https?://", page.raw["script"])
    assert {name for name, _ in page.tags} & {"iframe", "object", "embed", "form", "base"} == set()


def test_the_policy_lets_in_data_pictures_and_this_very_style_and_script_alone(page: Parsed) -> None:
    (policy,) = [each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    digests = {name: b64encode(sha256(text.encode()).digest()).decode() for name, text in page.raw.items()}
    assert str(policy).split("; ") == [
        "default-src 'none'", "img-src data:", f"style-src 'sha256-{digests['style']}'",
        f"script-src 'sha256-{digests['script']}'", "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    # which the policy would stop, so nothing may count on them
    assert not [name for _, attributes in page.tags for name in attributes if name == "style" or name.startswith("on")]


def test_a_dangerous_name_is_text_and_turns_no_direction(page: Parsed) -> None:
    assert "<script>alert('x')</script>\\u202e\\udcff & \"q\".png" in page.text
    assert len(page.all("script")) == 1
    assert "\u202e" not in page.text


def test_every_picture_and_control_has_a_name(page: Parsed) -> None:
    assert all(each.get("alt") for each in page.all("img"))
    assert all(each.get("aria-label") for each in page.all("input"))
    assert all(
        (each.get("role") == "img" and each.get("aria-label")) or each.get("aria-hidden") for each in page.all("svg")
    )
    identities = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identities) == len(set(identities))
    named = [value for _, attributes in page.tags for value in (attributes.get("aria-labelledby"),) if value]
    assert set(named) <= set(identities)
    anchors = [str(each["href"])[1:] for each in page.all("a")]
    assert set(anchors) <= set(identities)


def test_a_slider_for_each_scene_and_a_choice_of_all_networks_on_both_sides(page: Parsed) -> None:
    assert [each["type"] for each in page.all("input")] == ["range", "range"]
    assert [each.get("data-side") for each in page.all("select")] == ["left", "right"]
    chosen = [each["value"] for each in page.all("option") if "selected" in each]
    assert len(page.all("option")) == 6
    assert chosen == ["1", "2"]  # start and adapted; bicubic is 0


def test_pictures_are_stored_without_loss_where_there_is_room() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    content = data_url(levels).removeprefix("data:image/webp;base64,")
    assert np.array_equal(np.asarray(Image.open(BytesIO(b64decode(content)))), levels)


def test_a_page_keeps_to_its_bytes_by_quality_first_and_then_by_fewer_scenes() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    scenes = [make_scene(number)._replace(views=(View("a", noise), View("b", noise))) for number in range(4)]
    whole = sum(sum(map(len, item.views)) + len(item.overview) for item in inline(scenes).scenes)
    assert inline(scenes, whole)[1:] == ("without loss", 0)
    less = inline(scenes, whole // 2)
    assert less.quality.startswith("as WebP of quality")
    assert less.dropped == 0
    few = inline(scenes, whole // 10)
    assert few.dropped > 0
    assert [item.scene.photograph for item in few.scenes] == ["a.png"] * len(few.scenes)
    assert len(inline(scenes, 0).scenes) == 1


def test_a_page_that_is_there_is_left_alone(tmp_path: Path, scenes: list[Scene]) -> None:
    file = tmp_path / "page.html"
    file.write_text("mine")
    with pytest.raises(SetupError, match="--overwrite"):
        write_comparison(Comparison(scenes), file)
    assert file.read_text() == "mine"
    write_comparison(Comparison(scenes), file, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("place", [".", "no/such/page.html"])
def test_a_place_where_no_page_can_be_is_refused(place: str, tmp_path: Path, scenes: list[Scene]) -> None:
    with pytest.raises(SetupError, match="expected a f"):
        write_comparison(Comparison(scenes), tmp_path / place)
