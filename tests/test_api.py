"""The public API: importing it is fast, and every name is there."""

import subprocess
import sys

import pytest

import fer_bench


def test_importing_the_package_imports_no_heavy_library():
    code = "import sys, fer_bench; print(*sorted({'keras', 'numpy', 'tensorflow', 'pandas'} & set(sys.modules)))"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == ""


@pytest.mark.parametrize("name", fer_bench.__all__)
def test_every_public_name_can_be_imported_and_is_listed(name):
    assert getattr(fer_bench, name) and name in dir(fer_bench)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="run_bench"):
        assert fer_bench.run_bench


def test_architectures_and_datasets_are_listed():
    assert {"cnn_small", "vgg19"} <= set(fer_bench.list_architectures())
    assert all(name.startswith("vgg") for name in fer_bench.list_architectures("vgg*"))
    with pytest.raises(fer_bench.UserError, match="vgg19"):
        fer_bench.list_architectures("vgg91")
    assert {"fer2013", "jaffe", "synthetic"} <= set(fer_bench.list_datasets())


def test_a_dataset_is_loaded(tmp_path):
    dataset = fer_bench.load_dataset("synthetic", data_dir=tmp_path)
    assert dataset.images.dtype == "uint8" and len(dataset.images) == len(dataset.labels)
    with pytest.raises(fer_bench.UserError, match="fer2013"):
        fer_bench.load_dataset("fer2013", data_dir=tmp_path)


def test_audits_and_checks_name_what_is_unknown(tmp_path):
    with pytest.raises(fer_bench.UserError, match="fer2013"):
        fer_bench.audit_dataset("fer2013", data_dir=tmp_path)
    with pytest.raises(fer_bench.UserError, match="cnn_smal"):
        fer_bench.check_architecture("cnn_smal")
    with pytest.raises(fer_bench.UserError, match=r"absent\.py"):
        fer_bench.check_architecture("absent", [tmp_path / "absent.py"])
