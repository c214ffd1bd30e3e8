"""The contact sheet: a PNG of pairs, problems first."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from portraits import portraits

from fer_bench.core.errors import UserError
from fer_bench.datasets.face_crop import contact_sheet
from fer_bench.datasets.face_crop.contact_sheet import BOX_COLOR, GAP, LINE, PROBLEM_COLOR, TILE, write_contact_sheet
from fer_bench.datasets.face_crop.spec import parse_spec


def has_color(image: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool((np.abs(image.astype(int) - color).max(axis=-1) < 40).any())


def pair(image: np.ndarray, number: int) -> np.ndarray:
    """Return a pair of the first row."""
    left = GAP + number * (2 * TILE + GAP)
    return image[GAP : GAP + TILE + LINE, left : left + 2 * TILE]


@pytest.fixture(scope="module")
def drawn():
    return portraits(0, 1, None, 3)


def test_contact_sheet_shows_both_images_and_missing_faces(drawn, tmp_path):
    path = write_contact_sheet(drawn, drawn.images, parse_spec("haar+align+margin20"), tmp_path / "new" / "sheet.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    image = cv2.imread(str(path))
    assert image.shape == (TILE + LINE + 2 * GAP, 4 * (2 * TILE + GAP) + GAP, 3)
    first, *others = (pair(image, number) for number in range(4))
    assert has_color(first, PROBLEM_COLOR) and not has_color(first, BOX_COLOR)  # without a face, with red text
    assert all(
        has_color(one[:TILE, :TILE], BOX_COLOR) and not has_color(one[:TILE, TILE:], BOX_COLOR) for one in others
    )
    assert not any(has_color(one[TILE:], PROBLEM_COLOR) for one in others)


def test_number_of_images_is_limited(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(contact_sheet, "MAX_PAIRS", 3)
    monkeypatch.setattr(contact_sheet, "MAX_CROPPED", 3)
    image = cv2.imread(str(write_contact_sheet(drawn, drawn.images, parse_spec("clahe"), tmp_path / "sheet.png")))
    assert image.shape[1] == 3 * (2 * TILE + GAP) + GAP
    assert not has_color(image, BOX_COLOR) and not has_color(image, PROBLEM_COLOR)


def test_rectangular_images_and_long_names(tmp_path):
    data = portraits(0, 1)
    originals = [np.pad(data.images[0], ((0, 0), (0, 150))), data.images[1][:, 40:220]]
    data = replace(data, ids=np.array(["Über/" + "long" * 30, "日本"]))
    path = write_contact_sheet(data, originals, parse_spec("haar+align"), tmp_path / "sheet.png")
    assert cv2.imread(str(path)) is not None


def test_unwritable_file(drawn, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_contact_sheet(drawn, drawn.images, parse_spec("clahe"), tmp_path / "file" / "sheet.png")
