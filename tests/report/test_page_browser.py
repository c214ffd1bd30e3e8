"""The HTML page in Chromium: what readers see and do."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

pytest.importorskip("selenium", reason="selenium is not installed: pip install -e '.[dev]'")
from chromium import CHROMIUM, DRIVER, contrast, emulate, find, luminance, start, texts, wait
from made_up_records import MACHINE, RecordMaker
from page_in_chromium import HOSTILE, NUM_ROWS, RECIPE_CHANGES, header, models, open_details, write_page
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from fer_bench.report.write import write_report

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no Chromium: on Debian, apt-get install chromium chromium-driver"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("page") / "results")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = start(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, page):
    """Open the page anew. The console must be empty after the test."""
    emulate(browser)
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(page)
    yield browser
    assert browser.get_log("browser") == []


def test_page_loads_without_requests_or_errors(browser, page):
    browser.get("about:blank")
    browser.get_log("performance")
    browser.get(page)
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    assert urls == {page}
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert browser.get_log("browser") == []
    assert len(texts(browser, "#section-1 tbody tr")) == NUM_ROWS
    assert texts(browser, "h2")[0].split() == ["fer2013", "protocol", "official"]
    assert "drawn faces, not a benchmark" in texts(browser, "h2")[2]
    assert find(browser, "html").get_attribute("lang") == "en"


def test_hostile_names_are_shown_as_text(opened):
    dialog = open_details(opened, "odd")
    assert HOSTILE in find(dialog, "h2").text
    assert dialog.text.count(HOSTILE) > 20  # the name, and the ids of mistakes
    assert opened.title == "FER leaderboard"
    assert not opened.find_elements(By.CSS_SELECTOR, "img")


def test_failures_are_shown_with_their_reasons(opened):
    last = texts(opened, "#section-1 tbody tr")[-1]
    assert "resnet50" in last
    assert f"failed out of memory {HOSTILE}" in last
    find(opened, "#section-1 summary").click()
    assert "resnet50 on fer2013 (official, seed 0): failed out of memory" in find(opened, "#section-1 details").text
    assert texts(opened, "#section-2 td.reason") == ["diverged loss is NaN"]
    assert len(opened.find_elements(By.CSS_SELECTOR, "#section-2 .scatter")) == 0
    find(opened, "#section-2 .name").click()
    dialog = find(opened, "#details")
    wait(opened, lambda: len(dialog.find_elements(By.CSS_SELECTOR, "svg.chart")) == 2)  # until its last epoch
    assert texts(dialog, "h3") == ["Training", "Trials", "Recipe and provenance"]


def test_warnings_are_marked_listed_and_in_the_details(opened):
    sentence = "All 63 test images got one class, happy. Did the training collapse?"
    mark = find(opened, "#section-3 .mark.warning")
    assert mark.text == "! 1 warning" and mark.get_attribute("title") == sentence
    find(opened, "#section-3 summary").click()
    assert texts(opened, "#section-3 details li") == [f"constant: {sentence}"]
    opened.find_elements(By.CSS_SELECTOR, "#section-3 tbody .name")[-1].click()
    assert texts(opened, "#details .notice") == [f"! {sentence}"]


def test_headers_sort_and_show_the_direction(opened):
    assert models(opened) == ["vgg19", "cnn", "odd", "resnet50"]
    assert header(opened, "rank").get_attribute("aria-sort") == "ascending"
    find(header(opened, "accuracy"), "button").click()
    assert models(opened) == ["vgg19", "cnn", "odd", "resnet50"]
    assert header(opened, "accuracy").get_attribute("aria-sort") == "descending"
    assert header(opened, "rank").get_attribute("aria-sort") is None
    find(header(opened, "accuracy"), "button").click()
    assert models(opened) == ["odd", "cnn", "vgg19", "resnet50"]  # failed rows stay last
    find(header(opened, "training_seconds"), "button").click()
    assert models(opened) == ["cnn", "vgg19", "odd", "resnet50"]
    find(header(opened, "label"), "button").click()
    assert models(opened) == ["cnn", "odd", "resnet50", "vgg19"]


def test_recipes_and_numbers_are_short(opened):
    recipe = find(opened, "#section-1 tbody .subtext")
    assert (recipe.text, recipe.get_attribute("title")) == ("default + 2 changes", RECIPE_CHANGES)
    first, second, *_ = texts(opened, "#section-1 tbody tr")
    assert "20.00 M" in first.replace("\u2009", " ") and "15 min 00 s" in first
    assert " ± " in second
    assert RECIPE_CHANGES in open_details(opened, "vgg19").text


def test_keyboard_sorts_opens_and_closes(opened):
    button = find(header(opened, "accuracy"), "button")
    opened.execute_script("arguments[0].focus()", button)
    button.send_keys(Keys.ENTER)
    button.send_keys(Keys.SPACE)
    assert models(opened)[0] == "odd"
    button.send_keys(Keys.TAB)
    focused = opened.switch_to.active_element
    assert focused != button
    assert focused.value_of_css_property("outline-style") == "solid"  # the focus is visible
    name = find(opened, "#section-1 tbody .name")
    opened.execute_script("arguments[0].focus()", name)
    name.send_keys(Keys.ENTER)
    dialog = find(opened, "#details")
    wait(opened, lambda: dialog.is_displayed())
    assert opened.execute_script("return document.activeElement.closest('dialog') !== null")
    opened.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(opened, lambda: not dialog.is_displayed())
    assert opened.switch_to.active_element == name


def test_filters_show_matching_rows_and_their_number(opened):
    toolbar = find(opened, "#section-1 .toolbar")
    search, status = find(toolbar, "input[type=search]"), find(toolbar, "[role=status]")
    assert status.text == "4 rows"
    search.send_keys("VGG imagenet")
    assert models(opened) == ["vgg19"]
    assert status.text == "1 of 4 rows"
    find(toolbar, "button").click()
    assert len(models(opened)) == NUM_ROWS
    weights = next(s for s in toolbar.find_elements(By.TAG_NAME, "select") if "imagenet" in s.text)
    Select(weights).select_by_visible_text("random")
    assert models(opened) == ["cnn", "odd", "resnet50"]
    assert len(opened.find_elements(By.CSS_SELECTOR, "#section-1 .marker.dimmed")) == 1  # the chart is filtered, too
    find(header(opened, "label"), "button").click()
    assert models(opened) == ["cnn", "odd", "resnet50"]
    assert texts(opened, "#section-2 [role=status]")[0] == "1 row"  # other tables are not filtered


def test_all_columns_can_be_shown(opened):
    find(opened, "#section-1 input[type=search]").send_keys("cnn")
    num_default = len(texts(opened, "#section-1 thead th"))
    find(opened, "#section-1 input[type=checkbox]").click()
    shown = texts(opened, "#section-1 thead th")
    assert len(shown) > num_default + 5
    assert "validation accuracy" in " ".join(shown)
    assert "not reached (0 of 2)" in texts(opened, "#section-1 tbody tr:not([hidden]) td")
    assert models(opened) == ["cnn"]
    widths = opened.execute_script(
        "return [1, 2].map((place) => [...document.querySelectorAll(`#section-${place} tr`)].map((line) => "
        "[...line.cells].reduce((sum, cell) => sum + cell.colSpan, 0)))"
    )
    assert [len(table) for table in widths] == [1 + NUM_ROWS, 2]
    assert [len(set(table)) for table in widths] == [1, 1]


def test_published_results_link_to_our_rows(opened):
    assert "Published results" in texts(opened, "nav a")
    lines = texts(opened, "#published tbody tr")
    assert any("! selected on test" in line for line in lines)
    links = opened.find_elements(By.CSS_SELECTOR, "#published .ours .name")
    next(link for link in links if link.text == "vgg19").click()
    wait(opened, lambda: find(opened, "#details").is_displayed())
    assert find(opened, "#details h2").text == "vgg19"


def test_details_contain_all_charts_and_no_image(opened):
    dialog = open_details(opened, "cnn")
    charts = wait(opened, lambda: len(found := dialog.find_elements(By.CSS_SELECTOR, "svg.chart")) == 4 and found)
    names = [chart.get_attribute("aria-label") for chart in charts]
    assert [name.split(" ")[0] for name in names] == ["loss", "accuracy", "ROC", "Reliability"]
    assert len(charts[0].find_elements(By.CSS_SELECTOR, "path.line")) == 4  # training and validation of two seeds
    assert len(charts[2].find_elements(By.CSS_SELECTOR, "path.roc")) == 7
    headings = texts(dialog, "h3")
    assert headings == [
        *("Training", "Confusion matrix", "Scores per class", "ROC curves", "Reliability"),
        *("Most confident mistakes", "Trials", "Recipe and provenance"),
    ]
    percentages = [float(cell) for cell in texts(dialog, ".confusion tbody td")]
    sums = [sum(percentages[start : start + 7]) for start in range(0, 49, 7)]
    assert sums == pytest.approx([100] * 7, abs=0.5)
    assert "Example CPU" in dialog.text
    assert "batch_size\n64" in dialog.text
    ids = texts(dialog, "figure th.code")
    assert len(ids) == 20 and all(name.startswith("i") for name in ids)
    assert not dialog.find_elements(By.CSS_SELECTOR, "img, image, canvas, picture")


def test_details_show_where_the_model_looks(opened):
    dialog = open_details(opened, "vgg19")
    assert "Where it looks" in texts(dialog, "h3") and "Grad-CAM" in dialog.text
    maps = dialog.find_elements(By.CSS_SELECTOR, "svg.heat-map")
    assert len(maps) == 6  # the last class has no image
    assert maps[0].get_attribute("aria-label") == "Where the model looks for angry, mean of 3 images"
    assert maps[0].size["width"] > 60 and maps[0].size["width"] == pytest.approx(maps[0].size["height"], abs=1)
    cells = maps[0].find_elements(By.CSS_SELECTOR, "rect")
    left, right = (float(cells[i].value_of_css_property("fill-opacity")) for i in (0, 15))
    assert len(cells) == 256 and left < 0.05 and right == 1
    assert not dialog.find_elements(By.CSS_SELECTOR, "img, image, canvas, picture")


def test_details_have_a_url(opened, page):
    open_details(opened, "cnn")
    url = opened.current_url
    assert "#row=" in url
    opened.back()
    dialog = find(opened, "#details")
    wait(opened, lambda: not dialog.is_displayed())
    opened.get("about:blank")
    opened.get(url)
    dialog = find(opened, "#details")
    assert dialog.is_displayed()
    assert find(dialog, "h2").text == "cnn"
    find(dialog, "button").click()
    wait(opened, lambda: "#" not in opened.current_url)


def test_scatter_shows_the_pareto_front_of_the_chosen_cost(opened):
    figure = find(opened, "#section-1 .scatter")
    wait(opened, lambda: len(figure.find_elements(By.CSS_SELECTOR, ".marker")) == 3)
    assert len(figure.find_elements(By.CSS_SELECTOR, ".on-front")) == 2  # cnn, vgg19; the third is slower and worse
    for cost in ("time to 40 %", "parameters"):
        Select(find(figure, "select")).select_by_visible_text(cost)
        assert cost in texts(figure, ".axis-name")
    assert "time to 90 %" not in find(figure, "select").text  # no row reaches it
    first = find(figure, ".marker[tabindex='0']")
    opened.execute_script("arguments[0].focus()", first)
    first.send_keys(Keys.ARROW_RIGHT)
    focused = opened.switch_to.active_element
    assert focused != first
    assert texts(figure, "[role=status]")[0] == focused.get_attribute("aria-label")
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
    opened.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    wait(opened, lambda: find(opened, "#details").is_displayed())
    # A slow page opens the details before the second half of the key press, which would reach their Close button
    opened.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "char", "text": "\r", **enter})
    assert find(opened, "#details").is_displayed()


def test_each_machine_has_a_pareto_front_of_its_times(browser, tmp_path):
    make = RecordMaker(tmp_path)
    for model, accuracy, seconds, cores in (("cnn", 0.7, 40, 64), ("vgg19", 0.6, 900, 2), ("mobilenet", 0.5, 3000, 2)):
        make(model, accuracy=accuracy, seconds=seconds, machine=MACHINE | {"cores": cores})
    (page,) = (path for path in write_report(tmp_path, figures=False) if path.suffix == ".html")
    browser.get(page.as_uri())
    figure = find(browser, "#section-1 .scatter")
    wait(browser, lambda: sorted(texts(figure, ".on-front")) == ["cnn", "vgg19"])
    assert len(figure.find_elements(By.CSS_SELECTOR, ".hollow")) == 1  # cnn: most trials ran on the other machine
    points = figure.find_elements(By.CSS_SELECTOR, ".marker")
    assert [point.get_attribute("aria-label").split("; machine ")[1] for point in points] == ["2", "1", "1"]
    assert "Times of different machines" in figure.text
    Select(find(figure, "select")).select_by_visible_text("parameters")
    wait(browser, lambda: texts(figure, ".on-front") == ["cnn"])
    assert not figure.find_elements(By.CSS_SELECTOR, ".hollow")
    assert [item.get_attribute("value") for item in browser.find_elements(By.CSS_SELECTOR, "#machine li")] == ["1", "2"]


@pytest.mark.parametrize("width", [360, 820])
def test_narrow_window_scrolls_the_table_and_not_the_page(opened, width):
    emulate(opened, width, 780)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    box = find(opened, "#section-1 .scroll")
    if width == 360:
        assert opened.execute_script("return arguments[0].scrollWidth > arguments[0].clientWidth", box)
    dialog = open_details(opened, "cnn")
    wait(opened, lambda: len(dialog.find_elements(By.CSS_SELECTOR, "svg.chart")) == 4)
    assert opened.execute_script("return arguments[0].scrollWidth <= arguments[0].clientWidth", dialog)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    for chart in dialog.find_elements(By.CSS_SELECTOR, "svg.chart"):
        assert chart.rect["width"] <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_themes_have_contrast(opened, scheme):
    emulate(opened, scheme=scheme)
    page_color = find(opened, "html").value_of_css_property("background-color")
    assert (luminance(page_color) < 0.1) == (scheme == "dark")
    surface = find(opened, ".scroll").value_of_css_property("background-color")
    for selector in ("body", ".lead", ".hint", "nav a"):
        assert contrast(find(opened, selector).value_of_css_property("color"), page_color) >= 4.5, selector
    for selector in ("td.number", ".name", ".subtext", "thead button", ".mark.failed"):
        assert contrast(find(opened, f"table {selector}").value_of_css_property("color"), surface) >= 4.5, selector


def test_theme_is_stored(opened):
    def page_luminance():
        return luminance(find(opened, "html").value_of_css_property("background-color"))

    button = find(opened, "#theme")
    assert page_luminance() > 0.5
    button.click()
    assert button.text == "☀ Theme: light"
    button.click()
    assert button.text == "☾ Theme: dark"
    assert page_luminance() < 0.1
    opened.refresh()
    assert page_luminance() < 0.1
    find(opened, "#theme").click()
    assert page_luminance() > 0.5


def test_print_has_no_controls(opened):
    emulate(opened, scheme="dark", media="print")
    assert not find(opened, ".toolbar").is_displayed()
    assert not find(opened, "#theme").is_displayed()
    assert luminance(find(opened, "html").value_of_css_property("background-color")) > 0.9
    assert find(opened, ".scroll").value_of_css_property("overflow-x") == "visible"


def test_headings_are_nested_and_controls_have_names(opened):
    roles = {"button", "combobox", "searchbox", "checkbox", "link", "image", "table", "dialog", "region"}

    def controls():
        nodes = opened.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        return [node for node in nodes if not node["ignored"] and node["role"]["value"] in roles]

    def unnamed():
        found = wait(opened, lambda: len(nodes := controls()) > 10 and nodes)  # this tree is built after rendering
        return [node["role"]["value"] for node in found if not node.get("name", {}).get("value")]

    assert unnamed() == []
    open_details(opened, "cnn")
    assert unnamed() == []
    assert len(texts(opened, "h1")) == 1
    levels = [int(heading.tag_name[1]) for heading in opened.find_elements(By.CSS_SELECTOR, "h1, h2, h3")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
