"""The options of a face crop, and the name that contains them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_bench.core.errors import UserError
from fer_bench.datasets.face_crop.spec import FaceCropSpec, make_spec, parse_spec, split_name

all_options = st.fixed_dictionaries(
    {
        "detector": st.sampled_from(["haar", "yunet"]),
        "align": st.booleans(),
        "margin": st.floats(0, 1),
        "equalize": st.sampled_from(["none", "histogram", "clahe"]),
        "image_size": st.integers(16, 1024),
        "on_missing_face": st.sampled_from(["keep", "drop", "fail"]),
        "allow_cropped": st.booleans(),
    }
)


@given(all_options)
def test_name_is_sufficient(options):
    digest = "0123abcd" if options["detector"] == "yunet" else ""
    spec = make_spec(**options, yunet_digest=digest)
    assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"detector": "haar"}, "haar"),
        ({"detector": "haar", "align": True, "margin": 0.2, "equalize": "clahe"}, "haar+align+margin20+clahe"),
        ({"equalize": "histogram", "image_size": 96}, "histogram+side96"),
        ({"detector": "haar", "margin": 1 / 3, "on_missing_face": "drop"}, "haar+margin33.33+drop"),
    ],
)
def test_name_has_only_options_that_differ_from_the_defaults(options, name):
    assert str(make_spec(**options)) == name


def test_split_name():
    assert split_name("ckplus+neutral") == ("ckplus+neutral", None)
    assert split_name("ckplus+neutral~haar+align") == ("ckplus+neutral", FaceCropSpec(detector="haar", align=True))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hoar", "'hoar' .* unknown. Choose from: haar, align"),
        ("", "'' .* unknown"),
        ("haar+haar", "contradicts"),
        ("haar+clahe+histogram", "contradicts"),
        ("align", "aligning needs a face detector"),
        ("margin20", "a margin needs a face detector"),
        ("clahe+drop", "'drop' .* needs a face detector"),
        ("haar+margin250", "margin: input should be less than or equal to 1"),
        ("haar+side4", "image_size: input should be greater than or equal to 16"),
    ],
)
def test_invalid_names(name, words):
    with pytest.raises(UserError, match=words):
        parse_spec(name)


def test_no_options():
    with pytest.raises(UserError, match="no option"):
        make_spec(detector="none")


def test_name_has_the_digest_of_yunets_model(tmp_path):
    one, same, other = (tmp_path / name for name in ("one.onnx", "same.onnx", "other.onnx"))
    one.write_bytes(b"a")
    same.write_bytes(b"a")
    other.write_bytes(b"b")
    names = [str(make_spec(detector="yunet", yunet_model=file)) for file in (one, same, other)]
    assert names[0] == names[1] != names[2]
    assert names[0] == "yunet@ca978112"


def test_yunet_needs_a_readable_model(tmp_path):
    with pytest.raises(UserError, match="--yunet-model"):
        make_spec(detector="yunet")
    with pytest.raises(UserError, match=r"The YuNet model .*gone\.onnx cannot be read: No such file"):
        make_spec(detector="yunet", yunet_model=tmp_path / "gone.onnx")
    (tmp_path / "model.onnx").write_bytes(b"a")
    with pytest.raises(UserError, match="only used by the detector yunet"):
        make_spec(detector="haar", yunet_model=tmp_path / "model.onnx")
