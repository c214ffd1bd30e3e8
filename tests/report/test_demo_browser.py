"""The page of the demo in a real browser whose camera sees a drawn face."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("selenium", reason="selenium is not installed: pip install -e '.[dev]'")
pytest.importorskip("gradio", reason="gradio is not installed: pip install -e '.[dev]'")
from chromium import CHROMIUM, DRIVER, find, start, texts, wait
from portraits import portrait
from selenium.webdriver.common.by import By

from fer_bench.inference import demo

pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Chromium and its driver are not installed"),
    pytest.mark.slow,
]


def answer(picture: np.ndarray, title: str) -> demo.Answer:
    """Answer with the sharpness of the picture, which differs between a face and an empty picture."""
    sharp = float(cv2.Laplacian(picture, cv2.CV_64F).var() > 1)
    return demo.Answer(picture, {"face": sharp, "nothing": 1 - sharp}, picture, f"{title} answered.")


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    """What the camera sees: an MJPEG file of one drawn portrait."""
    file = tmp_path_factory.mktemp("camera") / "face.mjpeg"
    frame = np.full((480, 640), 120, np.uint8)
    frame[112:368, 192:448] = portrait(1)[0]
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))[1].tobytes()
    file.write_bytes(jpeg * 10)
    return file


@pytest.fixture(scope="module")
def browser(camera, tmp_path_factory):
    page = demo.build_page(SimpleNamespace(titles=["first", "second"], answer=answer))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = demo.serve(page, port)
    flags = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    browser = start(tmp_path_factory.mktemp("profile"), *flags, f"--use-file-for-fake-video-capture={camera}")
    browser.get(address)
    yield browser
    browser.quit()
    page.close(verbose=False)


def click(browser, xpath: str) -> None:
    """Click the first element of an XPath as soon as it is there."""
    wait(browser, lambda: browser.find_elements(By.XPATH, xpath))
    browser.find_element(By.XPATH, xpath).click()


def test_an_example_is_answered_by_the_first_model(browser):
    click(browser, "//button[contains(@class, 'gallery-item')]")
    wait(browser, lambda: "first answered." in texts(browser, "#times p"))
    assert "face" in find(browser, "[data-testid='label-output-value']").text


def test_the_camera_is_answered(browser):
    browser.refresh()
    click(browser, "//button[@aria-label='Capture from camera']")
    click(browser, "//button[contains(., 'Webcam')]")
    click(browser, "//button[@aria-label='capture photo']")
    wait(browser, lambda: "first answered." in texts(browser, "#times p"))
    assert "face" in find(browser, "[data-testid='label-output-value']").text


def test_nothing_is_fetched_from_a_network(browser):
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert urls
    local = ("http://127.0.0.1:", "data:", "blob:", "chrome:")
    assert [url for url in urls if not url.startswith(local)] == []
