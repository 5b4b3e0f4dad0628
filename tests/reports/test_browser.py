"""Pages in headless Chromium: sliders, keys, touch, phone, dark mode, and axe-core's rules of accessibility."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.reports.made import NASTY, make_scene
from usrda_plugin.reports import Comparison, LeftOut, View, write_comparison, write_report

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

pytestmark = pytest.mark.slow
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
SHOWN = """return [...document.querySelectorAll('.layer')].filter(layer => layer.checkVisibility()).map(layer =>
    layer.querySelector('.label').textContent)"""
PLACES = "return [...document.querySelectorAll('.stage img')].map(img => getComputedStyle(img).transform)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium that logs its console and all that it asks for."""
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium with chromedriver here: make browser")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


def pictured(number: int, file: str) -> Any:
    """A scene of smooth pictures that differ."""
    scene = make_scene(number, file=file)
    coarse = np.random.default_rng(number).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    whole = cv2.resize(coarse, (480, 360), interpolation=cv2.INTER_CUBIC)
    return scene._replace(views=tuple(View(view.name, whole // (place + 1)) for place, view in enumerate(scene.views)))


@pytest.fixture
def page(request: pytest.FixtureRequest, adapted_folder: Path) -> str:
    """The address of a report with everything in it, or of a comparison."""
    scenes = [pictured(number, file) for number, file in enumerate(["a.png", NASTY, "c.png"])]
    comparison = Comparison(scenes, 3, (LeftOut(NASTY, "cut off"),))
    file = adapted_folder / "page.html"
    if getattr(request, "param", "report") == "report":
        write_report(adapted_folder, file, comparison)
    else:
        write_comparison(comparison, file)
    return file.as_uri()


both = pytest.mark.parametrize("page", ["report", "comparison"], indirect=True)


def look(browser: Any, page: str, *, width: int = 1280, dark: bool = False, **media: str) -> None:
    """Open a page on a screen of a width, light or dark."""
    is_phone = width < 600
    screen = {"width": width, "height": 800, "deviceScaleFactor": 2 if is_phone else 1, "mobile": is_phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": is_phone})
    features = {"prefers-color-scheme": "dark" if dark else "light", **media}
    listed = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": listed})
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page)


def split_of(browser: Any, number: int = 0) -> str:
    script = "return getComputedStyle(document.querySelectorAll('.stage')[arguments[0]]).getPropertyValue('--split')"
    return str(browser.execute_script(script, number))


def press(browser: Any, *keys: str) -> None:
    ActionChains(browser, duration=0).send_keys(*keys).perform()


@both
def test_pictures_load_and_nothing_is_asked_of_anybody(browser: Any, page: str) -> None:
    look(browser, page)
    widths = browser.execute_script("return [...document.images].map(img => img.complete && img.naturalWidth)")
    assert widths == [480] * 9
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert page in asked
    assert all(url == page or url.startswith("data:") for url in asked), asked
    assert browser.get_log("browser") == []


def test_the_divider_moves_by_keyboard_mouse_and_slider(browser: Any, page: str) -> None:
    look(browser, page)
    slider = browser.find_element(By.CSS_SELECTOR, ".slider")
    assert split_of(browser) == "50%"
    slider.send_keys(Keys.ARROW_RIGHT * 3)
    assert split_of(browser) == "53%"
    assert slider.get_attribute("aria-valuetext") == "53 % start, 47 % adapted"
    assert split_of(browser, 1) == "50%"  # each picture has its own
    slider.send_keys(Keys.HOME)
    assert split_of(browser) == "0%"
    stage = browser.find_element(By.CSS_SELECTOR, ".stage")
    wide = stage.size["width"]
    actions = ActionChains(browser, duration=50).move_to_element_with_offset(stage, 0, 0).click_and_hold()
    actions.move_by_offset(wide // 4, 0).release().perform()
    assert split_of(browser) == "75%"
    assert slider.get_property("value") == "75"
    clip = browser.find_element(By.CSS_SELECTOR, ".layer.left").value_of_css_property("clip-path")
    assert clip == "inset(0px 25% 0px 0px)"
    assert browser.get_log("browser") == []


def test_zoom_and_place_are_shared_by_all_pictures(browser: Any, page: str) -> None:
    look(browser, page)
    press(browser, "+", "+")
    assert browser.find_element(By.CSS_SELECTOR, "[data-zoom]").text == "2×"
    zoomed = set(browser.execute_script(PLACES)) - {"none"}
    (centred,) = zoomed
    assert centred.startswith("matrix(2, 0, 0, 2, -")
    first, second = browser.find_elements(By.CSS_SELECTOR, ".stage")[:2]
    browser.execute_script("arguments[0].focus()", second)
    press(browser, Keys.ARROW_LEFT)
    (moved,) = set(browser.execute_script(PLACES)) - {"none"}
    assert moved != centred
    assert split_of(browser, 1) == "50%"  # zoomed in, arrows move the picture and not the divider
    box = first.size
    actions = ActionChains(browser, duration=50).move_to_element_with_offset(first, -box["width"] // 3, 0)
    actions.click_and_hold().move_by_offset(-40, 0).release().perform()
    (dragged,) = set(browser.execute_script(PLACES)) - {"none"}
    assert dragged != moved
    browser.find_element(By.CSS_SELECTOR, "[data-do=reset]").click()
    assert set(browser.execute_script(PLACES)) - {"none"} == {"matrix(1, 0, 0, 1, 0, 0)"}
    press(browser, "-")
    assert browser.find_element(By.CSS_SELECTOR, "[data-zoom]").text == "1×"


def test_any_two_networks_are_compared_and_the_sides_swap(browser: Any, page: str) -> None:
    look(browser, page)
    assert browser.execute_script(SHOWN) == ["start", "adapted"] * 3
    left = browser.find_element(By.CSS_SELECTOR, "[data-side=left]")
    left.send_keys("bicubic")
    assert browser.execute_script(SHOWN) == ["bicubic", "adapted"] * 3
    browser.find_element(By.CSS_SELECTOR, "[data-do=swap]").click()
    right = browser.find_elements(By.CSS_SELECTOR, ".layer.right .label")
    assert [label.text for label in right] == ["bicubic"] * 3
    browser.execute_script("document.activeElement.blur()")
    press(browser, "s")
    assert [label.text for label in browser.find_elements(By.CSS_SELECTOR, ".layer.left .label")] == ["bicubic"] * 3


def test_tab_reaches_every_picture_and_slider_and_focus_is_seen(browser: Any, page: str) -> None:
    look(browser, page)
    reached = []
    for _ in range(40):
        press(browser, Keys.TAB)
        what, outline = browser.execute_script(
            "const e = document.activeElement; return [e.className || e.tagName, getComputedStyle(e).outlineStyle]"
        )
        if what == "BODY":  # from the last back to the first
            break
        assert outline != "none", what
        reached.append(what)
    assert reached[0] == "skip"
    assert reached.count("stage") == reached.count("slider") == 3


def test_on_a_phone_nothing_is_cut_off_and_a_finger_moves_the_divider(browser: Any, page: str) -> None:
    look(browser, page, width=360)
    wide, seen = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= seen == 360
    box = browser.execute_script("""const stage = document.querySelector('.stage');
        stage.scrollIntoView({block: 'center', behavior: 'instant'}); return stage.getBoundingClientRect()""")
    points = [(box["left"] + share * box["width"], box["top"] + box["height"] / 2) for share in (0.5, 0.3, 0.2)]
    for kind, place in zip(["touchStart", "touchMove", "touchMove", "touchEnd"], [*points, None], strict=True):
        touches = [{"x": place[0], "y": place[1]}] if place else []
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
    assert split_of(browser) == "20%"
    small = browser.execute_script("""return [...document.querySelectorAll('button, select, .slider')].filter(
        each => each.getBoundingClientRect().height < 24).length""")
    assert small == 0


def test_dark_mode_reduced_motion_and_print_are_kept_to(browser: Any, page: str) -> None:
    script = "return getComputedStyle(document.{0}).{1}"
    look(browser, page)
    assert browser.execute_script(script.format("body", "backgroundColor")) == "rgb(246, 246, 243)"
    assert browser.execute_script(script.format("documentElement", "scrollBehavior")) == "smooth"
    look(browser, page, dark=True, prefers_reduced_motion="reduce")
    assert browser.execute_script(script.format("body", "backgroundColor")) == "rgb(18, 19, 21)"
    assert browser.execute_script(script.format("documentElement", "scrollBehavior")) == "auto"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    assert browser.execute_script(SHOWN) == ["bicubic", "start", "adapted"] * 3
    assert not browser.find_element(By.CSS_SELECTOR, ".toolbar").is_displayed()


def test_without_scripts_all_pictures_are_there(browser: Any, page: str) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        look(browser, page)
        pictures = browser.find_elements(By.CSS_SELECTOR, ".stage img")
        assert [picture.size["width"] > 100 for picture in pictures] == [True] * 9
        assert not browser.find_element(By.CSS_SELECTOR, ".toolbar").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize(
    ("page", "width", "dark"),
    [("report", 1280, False), ("report", 360, True), ("comparison", 1280, True), ("comparison", 360, False)],
    indirect=["page"],
)
def test_axe_finds_no_fault_of_accessibility(browser: Any, page: str, width: int, dark: bool) -> None:
    pytest.importorskip("axe_core_python")
    look(browser, page, width=width, dark=dark)
    browser.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
    browser.execute_script((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = browser.execute_async_script(
        "const [rules, done] = arguments; axe.run(document, rules).then(done, fault => done({fault: String(fault)}))",
        RULES,
    )
    told = [(each["id"], [node["target"] for node in each["nodes"]]) for each in found["violations"]]
    assert told == []
    assert len(found["passes"]) > 20
