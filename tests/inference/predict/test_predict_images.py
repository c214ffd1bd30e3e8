"""Faces in photographs are found, cropped as the dataset of the model, and predicted file by file."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from made_up_models import LABELS, SIZE, write_onnx
from PIL import Image
from portraits import blank, portrait

import fer_bench
from fer_bench.core.errors import UserError
from fer_bench.datasets.face_crop.apply import crop_image
from fer_bench.datasets.face_crop.detect import HaarDetector
from fer_bench.datasets.face_crop.spec import parse_spec
from fer_bench.inference.predict import images as predict_images
from fer_bench.inference.predict.annotate import AnnotatedImages, draw_faces
from fer_bench.inference.predict.face_finder import FaceFinder, make_face_finder
from fer_bench.inference.predict.image_sources import find_sources
from fer_bench.inference.predict.images import FacePrediction, ImageResult


def scene() -> np.ndarray:
    """Return a photograph (480, 640) uint8 of three drawn faces, the largest on the left."""
    image = np.full((480, 640), 120, np.uint8)
    for seed, size, x, y in ((0, 220, 20, 40), (1, 150, 300, 90), (2, 90, 520, 300)):
        face = portrait(seed)[0][38:218, 38:218]
        image[y : y + size, x : x + size] = cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA)
    return image


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of bright thirds as an ONNX file."""
    folder = tmp_path_factory.mktemp("model")
    labels = ", ".join(LABELS)
    (folder / "thirds.yaml").write_text(f"input_size: {SIZE}\nscaling: 0..1\noutputs: logits\nlabels: [{labels}]\n")
    return fer_bench.load_model(write_onnx(folder / "thirds.onnx"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder with a scene, a portrait, an image without a face, one that is damaged, and a text file."""
    folder = tmp_path_factory.mktemp("photos")
    cv2.imwrite(str(folder / "a scene.png"), cv2.cvtColor(scene(), cv2.COLOR_GRAY2BGR))
    cv2.imwrite(str(folder / "portrait.jpg"), portrait(3)[0])
    cv2.imwrite(str(folder / "blank.png"), blank())
    (folder / "damaged.png").write_bytes((folder / "portrait.jpg").read_bytes()[:100])
    (folder / "notes.txt").write_text("no image")
    return folder


def test_every_face_is_found_and_problems_are_named(model, photos):
    files = find_sources([str(photos)]).images
    results = {r.file: r for r in predict_images.predict_images(model, make_face_finder(model), files)}
    assert [*results] == [str(path) for path in files]  # in order
    faces = {path.name: len(results[str(path)].faces) for path in files}
    assert faces == {"a scene.png": 3, "blank.png": 0, "damaged.png": 0, "portrait.jpg": 1}
    assert "JPEG" in results[str(photos / "damaged.png")].problem
    left, middle, right = results[str(photos / "a scene.png")].faces
    assert left.box[0] < middle.box[0] < right.box[0] and left.number == 1
    assert all(face.probabilities.sum() == pytest.approx(1) for face in (left, middle, right))


def test_a_face_is_cropped_as_in_the_dataset():
    image, _ = portrait(1, rotation=10)
    for name in ("haar", "haar+align+margin20+clahe"):
        spec = parse_spec(name)
        found = FaceFinder(spec, (48, 48), equalization=spec.equalize)(image)
        expected = crop_image(image, spec, HaarDetector())
        np.testing.assert_array_equal(found[0].pixels, expected.pixels)
        assert found[0].box == expected.face.box


def test_large_photographs_are_searched_at_a_smaller_size_and_cropped_at_their_own():
    large = cv2.resize(portrait(1)[0], (3000, 3000), interpolation=cv2.INTER_CUBIC)
    (face,) = FaceFinder(parse_spec("haar"))(large)
    assert face.pixels.shape[0] > 1500 and 3000 * 0.5 < face.box[2] < 3000 * 0.8


def test_a_photograph_that_was_turned_is_read_upright(model, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright
    Image.fromarray(np.rot90(portrait(3)[0])).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    frame = model.predict(tmp_path / "turned.jpg")
    assert frame["face"].tolist() == [1]


def test_a_folder_becomes_a_frame(model, photos):
    with pytest.raises(UserError, match="damaged"):
        model.predict(photos)
    frame = model.predict([photos / "portrait.jpg", photos / "blank.png"])
    assert frame["label"].isna().tolist() == [False, True] and frame["probability"][0] > 1 / 3
    assert list(frame)[:2] == ["file", "face"] and list(frame)[-3:] == LABELS
    whole = model.predict(str(photos / "portrait.jpg"), detector="none")
    assert (whole["width"][0], whole["height"][0]) == (256, 256)


def test_what_is_no_image_is_refused_from_python(model, tmp_path):
    (tmp_path / "film.mp4").touch()
    with pytest.raises(UserError, match="is a video"):
        model.predict(tmp_path / "film.mp4")
    for face in (tmp_path / "face.png", np.zeros((8, 8)), np.zeros((8, 8, 3), np.uint8)):
        with pytest.raises(UserError, match=r"Pass uint8 pixels \(height, width\)"):
            model.explain(face)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (10, 10)])
def test_a_tiny_image_has_no_face(model, shape):
    image = np.full(shape, 90, np.uint8)
    assert model.predict(image, detector="haar")["label"].isna().all()
    assert model.predict(image, detector="none")["label"].notna().all()


def test_sources_that_name_nothing_are_refused(photos, tmp_path):
    assert [path.name for path in find_sources([f"{photos}/*.png", str(photos / "blank.png")]).images] == [
        "a scene.png",
        "blank.png",
        "damaged.png",
    ]
    (tmp_path / "film.MP4").touch()
    assert [path.name for path in find_sources([str(tmp_path)]).videos] == ["film.MP4"]
    (tmp_path / "empty").mkdir()
    for name, message in (
        (tmp_path / "empty", "no images"),
        (tmp_path / "nothing.png", "does not exist"),
        (f"{tmp_path}/*.gif", "No file matches"),
        (f"{photos}/*.txt", "no image"),
        ("https://example.org/face.jpg", "Download"),
    ):
        with pytest.raises(UserError, match=message):
            find_sources([str(name)])


def test_a_huge_image_is_not_decoded(model, tmp_path, monkeypatch):
    Image.new("L", (400, 300)).save(tmp_path / "huge.png")
    monkeypatch.setattr(predict_images, "SUSPICIOUS_BYTES", 0)
    monkeypatch.setattr(predict_images, "MAX_MEGAPIXELS", 0.1)
    (result,) = predict_images.predict_images(model, make_face_finder(model), [tmp_path / "huge.png"])
    assert "400×300" in result.problem and "megapixels" in result.problem


def test_a_model_that_takes_color_gets_it(tmp_path):
    (tmp_path / "m.yaml").write_text(
        f"input_size: {SIZE}\nscaling: 0..1\nchannels: 3\ncolor_mode: rgb\nlayout: nhwc\nlabels: [a, b, c]\n"
    )
    seen = []
    model = fer_bench.load_model(write_onnx(tmp_path / "m.onnx", ("height", "width", "channels")))
    classifier = model.classifier
    object.__setattr__(classifier, "predict", lambda batch: (seen.append(batch), np.eye(3)[[0] * len(batch)])[1])
    red = np.zeros((20, 20, 3), np.uint8)
    red[..., 2] = 255
    cv2.imwrite(str(tmp_path / "red.png"), red)
    model.predict(tmp_path / "red.png", detector="none")
    model.predict(red[..., ::-1])
    for batch in seen[::2]:
        np.testing.assert_allclose(batch[0].mean(axis=(0, 1)), [1, 0, 0], atol=0.02)


def test_pixels_of_every_kind_of_file_are_those_of_the_picture(tmp_path):
    gray = portrait(3)[0]
    image = Image.fromarray(gray)
    alpha = Image.fromarray(np.dstack([gray, gray, gray, np.full_like(gray, 128)]))
    exif = Image.Exif()
    exif[0x0112] = 6
    cv2.imwrite(str(tmp_path / "16 bits.png"), gray.astype(np.uint16) * 257)
    image.convert("P").save(tmp_path / "palette.png", transparency=0)
    alpha.save(tmp_path / "alpha.png")
    Image.merge("RGB", [image] * 3).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    Image.fromarray(np.rot90(gray)).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    for path in tmp_path.iterdir():
        for mode in ("grayscale", "rgb"):
            photo = predict_images.read_photo(path, mode)
            assert not isinstance(photo, str), path
            for pixels in photo if mode == "rgb" else photo[:1]:
                difference = np.abs(pixels.reshape(256, 256, -1).mean(axis=-1) - gray)
                assert difference.mean() < 2, (path.name, mode)


def test_boxes_of_yunet_are_clipped_to_the_image(model, tmp_path, monkeypatch):
    class Network:
        """Finds a face that extends beyond the upper left corner, and one beyond the image."""

        def setInputSize(self, size):
            self.size = size

        def detect(self, image):
            assert image.shape == (self.size[1], self.size[0], 3)
            boxes = [[-10, -20, 60, 80], [3000, 10, 40, 40]]
            return 1, np.array([[*box, *[0] * 10, 0.9] for box in boxes], np.float32)

    (tmp_path / "yunet.onnx").write_bytes(b"model")
    monkeypatch.setattr(cv2, "FaceDetectorYN", SimpleNamespace(create=lambda *_: Network()))
    finder = make_face_finder(model, "yunet", yunet_model=tmp_path / "yunet.onnx")
    for shape in ((100, 120), (300, 200)):
        (face,) = finder(np.zeros(shape, np.uint8))
        assert face.box == (0, 0, 50, 60)
    (face,) = finder(np.zeros((2560, 2560), np.uint8))  # searched at half the size
    assert face.box == (0, 0, 100, 120)


def test_a_damaged_yunet_model_is_named_before_anything_is_written(model, tmp_path):
    (tmp_path / "yunet.onnx").write_text("no network")
    with pytest.raises(UserError, match="is no YuNet model"):
        make_face_finder(model, "yunet", yunet_model=tmp_path / "yunet.onnx")


def test_detectors_that_contradict_the_other_options_are_refused(model, tmp_path):
    for options, message in (
        ({"detector": "yunet"}, "--yunet-model"),
        ({"detector": "none", "align": True}, "--detector none"),
        ({"detector": "haar", "yunet_model": tmp_path / "m.onnx"}, "yunet"),
        ({"yunet_model": tmp_path / "m.onnx"}, "cannot be read"),
    ):
        with pytest.raises(UserError, match=message):
            make_face_finder(model, **options)


def test_copies_have_boxes_and_labels_and_never_replace_the_original(tmp_path):
    image = np.zeros((100, 120, 3), np.uint8)
    face = FacePrediction(1, (20.0, 30.0, 50.0, 50.0), np.array([0.2, 0.8]))
    drawn = draw_faces(image, [face], ["trist", "fröhlich"])
    assert not image.any() and drawn[30:80, 20].any(axis=-1).all() and not drawn[50:70, 30:60].any()
    assert drawn[15:29, 20:60].any() and not draw_faces(image, [], ["a", "b"]).any()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "x.png"), image)
    copies = AnnotatedImages(tmp_path / "copies", ["trist", "fröhlich"])
    written = [copies.write(ImageResult(str(tmp_path / name / "x.png"), (face,))) for name in ("a", "b")]
    assert [path.name for path in written] == ["x.png", "x-2.png"]
    np.testing.assert_array_equal(cv2.imread(str(written[1])), drawn)
    with pytest.raises(UserError, match="another folder"):
        AnnotatedImages(tmp_path / "a", ["x", "y"]).write(ImageResult(str(tmp_path / "a" / "x.png"), (face,)))
