"""The contact sheet: a PNG of pairs, those to worry about first."""

import cv2
import numpy as np
import pytest
from portraits import portraits

from fer_bench.core.errors import UserError
from fer_bench.datasets.face_crop import contact_sheet
from fer_bench.datasets.face_crop.contact_sheet import BOX, GAP, LACKING, LINE, TILE, write_contact_sheet
from fer_bench.datasets.face_crop.spec import parse_spec


def has(image: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((np.abs(image.astype(int) - colour).max(axis=-1) < 40).any())


def pair(image: np.ndarray, number: int) -> np.ndarray:
    """The number-th pair of the first row."""
    left = GAP + number * (2 * TILE + GAP)
    return image[GAP : GAP + TILE + LINE, left : left + 2 * TILE]


@pytest.fixture(scope="module")
def drawn():
    return portraits(0, 1, None, 3)


def test_a_sheet_shows_before_and_after_and_who_has_no_face(drawn, tmp_path):
    path = write_contact_sheet(drawn, drawn.images, parse_spec("haar+align+margin20"), tmp_path / "new" / "sheet.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    image = cv2.imread(str(path))
    assert image.shape == (TILE + LINE + 2 * GAP, 4 * (2 * TILE + GAP) + GAP, 3)
    first, *others = (pair(image, number) for number in range(4))
    assert has(first, LACKING) and not has(first, BOX)  # the one without a face, its line in red
    assert all(has(one[:TILE, :TILE], BOX) and not has(one[:TILE, TILE:], BOX) for one in others)
    assert not any(has(one[TILE:], LACKING) for one in others)


def test_many_pictures_make_a_sheet_of_some(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(contact_sheet, "SHOWN", 3)
    monkeypatch.setattr(contact_sheet, "LOOKED_AT", 3)
    image = cv2.imread(str(write_contact_sheet(drawn, drawn.images, parse_spec("clahe"), tmp_path / "sheet.png")))
    assert image.shape[1] == 3 * (2 * TILE + GAP) + GAP
    assert not has(image, BOX) and not has(image, LACKING)


def test_oblong_pictures_and_odd_names_fit(tmp_path):
    data = portraits(0, 1)
    pictures = [np.pad(data.images[0], ((0, 0), (0, 150))), data.images[1][:, 40:220]]
    odd = np.array(["Über/" + "long" * 30, "日本"])
    path = write_contact_sheet(type(data)(**{**vars(data), "ids": odd}), pictures, parse_spec("haar+align"), tmp_path / "sheet.png")
    assert cv2.imread(str(path)) is not None


def test_a_sheet_that_cannot_be_written_is_told(drawn, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"sheet\.png cannot be written"):
        write_contact_sheet(drawn, drawn.images, parse_spec("clahe"), tmp_path / "file" / "sheet.png")
