"""Make the pictures of the documentation from three small networks on drawn faces: python docs/scripts/gallery.py.

Trains what is not recorded in build/gallery yet, and writes docs/gallery/ and the example of leaderboard.md. Requires
Chromium and its driver for the pictures of the page.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By

import fer_bench

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "build" / "gallery"
PICTURES = ROOT / "docs" / "gallery"
EXPERIMENT = Path(__file__).with_name("gallery.yaml")
TABLE = Path(__file__).with_name("leaderboard.md")  # its section of the summary
MAX_BYTES = 200_000
WIDTHS = (1280, 1000, 800)
MODEL = "mini_xception"  # whose figures are shown


def main() -> None:
    result = fer_bench.run_benchmark(experiment=EXPERIMENT, results_dir=RESULTS, jobs=1)
    PICTURES.mkdir(exist_ok=True)
    models = ",".join(sorted(set(result.leaderboard["model"])))
    run("explain", "--model", models, "--dataset", "synthetic", "--results-dir", RESULTS)
    run("report", "--results-dir", RESULTS)  # again, with the heat maps
    section = (RESULTS / "leaderboard.md").read_text(encoding="utf-8").split("\n## ")[1]
    TABLE.write_text(section.partition("\n")[2].strip() + "\n", encoding="utf-8")
    figures = RESULTS / "figures"
    for name, pattern in {
        "overview": "**/accuracy-time.png",
        "confusion": f"**/*{MODEL}*confusion*.png",
        "curves": f"**/*{MODEL}*curves*.png",
        "heat-maps": "heat-maps-*.png",
    }.items():
        save(Image.open(next(figures.glob(pattern))), name)
    save(explained_faces(), "explained")
    for scheme in ("light", "dark"):
        photograph(scheme)


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, ROOT / "benchmark.py", *map(str, arguments)], check=True, cwd=ROOT)


def explained_faces() -> Image.Image:
    """Return the heat maps of one drawn face of each of three classes, beside each other."""
    dataset = fer_bench.load_dataset("synthetic")
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name in ("happy", "sad", "surprise"):
            index = (dataset.labels == dataset.classes.index(name)).nonzero()[0][0]
            files.append(Path(folder) / f"{name}.png")
            Image.fromarray(dataset.images[index]).save(files[-1])
        output = Path(folder) / "explained"
        run("explain", *files, "--model", MODEL, "--detector", "none", "--results-dir", RESULTS, "--output", output)
        figures = [Image.open(output / file.name).convert("RGB") for file in files]
    whole = Image.new("RGB", (sum(figure.width for figure in figures), max(f.height for f in figures)), "white")
    left = 0
    for figure in figures:
        whole.paste(figure, (left, 0))
        left += figure.width
    return whole


def photograph(scheme: str) -> None:
    """Save the top of the page and the details of a row, in a color scheme."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        metrics = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.get((RESULTS / "leaderboard.html").as_uri())
        save(screenshot(browser), f"page-{scheme}")
        row = browser.find_element(By.CSS_SELECTOR, "tbody tr")
        row.find_element(By.CSS_SELECTOR, "button, a").click()
        browser.execute_script("document.querySelector('tbody tr').scrollIntoView()")
        save(screenshot(browser), f"details-{scheme}")
    finally:
        browser.quit()


def screenshot(browser: webdriver.Chrome) -> Image.Image:
    return Image.open(io.BytesIO(browser.get_screenshot_as_png()))


def save(image: Image.Image, name: str) -> None:
    """Save a picture as PNG with 256 colors, as wide as the size of the file allows."""
    image, file = image.convert("RGB"), PICTURES / f"{name}.png"
    for width in WIDTHS:
        height = round(image.height * width / image.width)
        smaller = image if image.width <= width else image.resize((width, height), Image.Resampling.LANCZOS)
        smaller.quantize(256).save(file, optimize=True)
        if file.stat().st_size <= MAX_BYTES:
            return
    raise SystemExit(f"{file} is above {MAX_BYTES} bytes")


if __name__ == "__main__":
    main()
