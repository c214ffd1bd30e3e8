"""Figures of where models look."""

import numpy as np
import pytest

from fer_bench.records import heat_maps as file
from fer_bench.records.heat_maps import HeatMaps
from fer_bench.report.heat_maps import describe, face_figure, mean_figure


def made_up(model="cnn", classes=("happy", "sad"), **changes):
    grid = np.linspace(0, 1, 16).reshape(4, 4).tolist()
    known = {"model": model, "dataset": "fer2013", "protocol": "official", "method": "grad-cam"}
    known |= {"classes": list(classes), "num_images": [3] * len(classes), "maps": [grid] * len(classes)}
    return HeatMaps(**known | {"deletion_marked": 0.123, "deletion_random": -0.004} | changes)


def test_models_are_rows_and_classes_are_columns():
    other = made_up("vgg16", ("sad", "happy"), maps=[[], np.eye(4).tolist()], num_images=[0, 3])
    figure = mean_figure([made_up(), other], "Where models look")
    panels = np.array(figure.axes).reshape(2, 2)
    assert [axes.get_title() for axes in panels[0]] == ["happy (3)", "sad (3)"]
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["cnn", "vgg16"]
    np.testing.assert_array_equal(panels[1, 0].images[0].get_array(), np.eye(4))
    assert not panels[1, 1].images  # no image of that class
    title = figure.get_suptitle().replace("\n", " ")
    assert "Where models look" in title and "no face" in title


def test_settings_are_in_the_label_of_a_row_only_if_they_distinguish_it():
    def labels(*models):
        figure = mean_figure([made_up(model) for model in models], "Where models look")
        return [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]

    assert labels("cnn, default, epochs=2, seed 0", "vgg16, default, seed 1") == ["cnn", "vgg16"]
    assert labels("cnn, default", "cnn, fast") == ["cnn,\ndefault", "cnn,\nfast"]


def test_a_face_is_drawn_with_its_heat_map():
    face, heat = np.full((4, 4), 99, np.uint8), np.eye(4)
    figure = face_figure(face, heat, "photo.jpg", "happy")
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 2]
    assert len(face_figure(np.stack([face] * 3, axis=-1), heat, "photo.jpg", "happy").axes) == 3


def test_the_deletion_test_is_in_the_description():
    assert "Grad-CAM. Probability −12.3 points" in describe(made_up()) and "+0.4 without" in describe(made_up())


def test_heat_maps_are_read_back(tmp_path):
    assert file.read(tmp_path) is None
    file.write(tmp_path / file.HEAT_MAPS_FILE, made_up())
    assert file.read(tmp_path) == made_up()
    (tmp_path / file.HEAT_MAPS_FILE).write_text('{"model": 1}')
    with pytest.raises(ValueError, match=file.HEAT_MAPS_FILE):
        file.read(tmp_path)
