"""A preparation and its name: each says the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_bench.core.errors import UserError
from fer_bench.datasets.face_crop.spec import FaceCropSpec, make_spec, parse_spec, split_name

fields = st.fixed_dictionaries(
    {
        "detector": st.sampled_from(["haar", "yunet"]),
        "align": st.booleans(),
        "margin": st.floats(0, 1),
        "equalise": st.sampled_from(["none", "histogram", "clahe"]),
        "side": st.integers(16, 1024),
        "without_face": st.sampled_from(["keep", "drop", "fail"]),
        "cropped_too": st.booleans(),
    }
)


@given(fields)
def test_the_name_says_it_all(given_fields):
    digest = "0123abcd" if given_fields["detector"] == "yunet" else ""
    preparation = make_spec(**given_fields, yunet_digest=digest)
    assert parse_spec(str(preparation)) == preparation


@pytest.mark.parametrize(
    ("given_fields", "name"),
    [
        ({"detector": "haar"}, "haar"),
        ({"detector": "haar", "align": True, "margin": 0.2, "equalise": "clahe"}, "haar+align+margin20+clahe"),
        ({"equalise": "histogram", "side": 96}, "histogram+side96"),
        ({"detector": "haar", "margin": 1 / 3, "without_face": "drop"}, "haar+margin33.33+drop"),
    ],
)
def test_only_what_departs_from_the_images_as_they_are_is_in_the_name(given_fields, name):
    assert str(make_spec(**given_fields)) == name


def test_a_name_is_taken_apart():
    assert split_name("ckplus+neutral") == ("ckplus+neutral", None)
    assert split_name("ckplus+neutral~haar+align") == ("ckplus+neutral", FaceCropSpec(detector="haar", align=True))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("hoar", "'hoar' in the preparation 'hoar' is unknown: its words are haar, align"),
        ("", "'' in the preparation '' is unknown"),
        ("haar+haar", "contradicts a word before it"),
        ("haar+clahe+histogram", "contradicts a word before it"),
        ("align", "aligning needs a face detector"),
        ("margin20", "a margin needs a face detector"),
        ("clahe+drop", "'drop' without a face needs a face detector"),
        ("haar+margin250", "margin: input should be less than or equal to 1"),
        ("haar+side4", "side: input should be greater than or equal to 16"),
    ],
)
def test_what_is_no_preparation_is_said_in_a_sentence(name, sentence):
    with pytest.raises(UserError, match=sentence):
        parse_spec(name)


def test_what_does_nothing_is_none():
    with pytest.raises(UserError, match="nothing is to be done"):
        make_spec(detector="none")


def test_yunets_model_stands_in_the_name_by_what_is_in_it(tmp_path):
    one, same, other = (tmp_path / name for name in ("one.onnx", "same.onnx", "other.onnx"))
    one.write_bytes(b"a")
    same.write_bytes(b"a")
    other.write_bytes(b"b")
    names = [str(make_spec(detector="yunet", yunet_model=file)) for file in (one, same, other)]
    assert names[0] == names[1] != names[2]
    assert names[0] == "yunet@ca978112"


def test_yunets_model_is_needed_and_must_be_there(tmp_path):
    with pytest.raises(UserError, match="name it with --yunet-model"):
        make_spec(detector="yunet")
    with pytest.raises(UserError, match=r"The YuNet model .*gone\.onnx cannot be read: No such file"):
        make_spec(detector="yunet", yunet_model=tmp_path / "gone.onnx")
    (tmp_path / "model.onnx").write_bytes(b"a")
    with pytest.raises(UserError, match="of use to the detector yunet alone"):
        make_spec(detector="haar", yunet_model=tmp_path / "model.onnx")
