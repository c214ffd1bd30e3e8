"""A headless Chromium for the tests of the page, and helpers for its elements."""

from __future__ import annotations

import shutil
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,900"),
)
TIMEOUT_SECONDS = 60  # for a busy machine


def start(profile: Path, *flags: str) -> webdriver.Chrome:
    """Start a browser with its own profile that logs requests and console messages."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


def emulate(
    browser: webdriver.Chrome, width: int = 1280, height: int = 900, scheme: str = "light", media: str = ""
) -> None:
    """Set the size of the window, the color scheme and the media type."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def find(where, selector: str):
    return where.find_element(By.CSS_SELECTOR, selector)


def texts(where, selector: str) -> list[str]:
    """Return the visible text of all matching elements, in one call."""
    script = """
        const visible = [...arguments[0].querySelectorAll(arguments[1])].filter((element) => element.checkVisibility());
        return visible.map((element) => (element.innerText ?? element.textContent).trim());"""
    browser = getattr(where, "parent", where)
    return browser.execute_script(script, find(browser, "body") if where is browser else where, selector)


def wait(browser, condition):
    return WebDriverWait(browser, TIMEOUT_SECONDS).until(lambda _: condition())


def luminance(color: str) -> float:
    parts = [float(p) / 255 for p in color[color.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)
