"""`data download` with a made-up kagglehub: nothing here goes online."""

import sys
from types import SimpleNamespace

import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS, DataConfig, find
from fer_bench.datasets.download import download, instructions
from fer_bench.datasets.registry import needs_files


@pytest.fixture
def data_config(tmp_path):
    return DataConfig(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """A kagglehub whose cache contains the file, and which records its requests."""
    requests = []
    file = tmp_path / "kagglehub" / "icml_face_data.csv"
    file.parent.mkdir()
    file.write_text("emotion, Usage, pixels\n")

    def competition_download(handle, path=None, **options):
        requests.append((handle, path))
        return str(file)

    module = SimpleNamespace(competition_download=competition_download, requests=requests, file=file)
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    return module


def test_downloaded_file_is_found(data_config, kaggle):
    path = download("fer2013", data_config)
    assert path == data_config.data_dir / "fer2013" / "icml_face_data.csv" == find("fer2013", data_config)
    assert path.read_text() == kaggle.file.read_text()
    assert [p.name for p in path.parent.iterdir()] == ["icml_face_data.csv"]
    ((handle, file),) = kaggle.requests
    assert handle.startswith("challenges-in-representation-learning") and file == "icml_face_data.csv"


def test_existing_file_is_not_downloaded_again(data_config, kaggle):
    first = download("fer2013", data_config)
    assert download("fer2013", data_config) == first and len(kaggle.requests) == 1


def test_folder_instead_of_a_file(data_config, kaggle, monkeypatch):
    monkeypatch.setattr(kaggle, "competition_download", lambda handle, path=None: str(kaggle.file.parent))
    assert download("fer2013", data_config).is_file()


def test_missing_kagglehub_gives_both_ways_out(data_config, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(UserError) as raised:
        download("fer2013", data_config)
    message = str(raised.value)
    assert "pip install 'fer-bench[download]'" in message and "kaggle.com/c/challenges" in message
    assert not data_config.data_dir.exists()


@pytest.mark.parametrize("error", [ConnectionError("no\nroute"), PermissionError(), ValueError("403 Forbidden.")])
def test_refused_download_says_what_to_do(data_config, kaggle, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(kaggle, "competition_download", refuse)
    with pytest.raises(UserError) as raised:
        download("fer2013", data_config)
    message = str(raised.value)
    assert "\n" not in message and "/rules" in message and "KAGGLE_KEY" in message and "by hand" in message
    assert not list(data_config.data_dir.rglob("*"))


def test_full_disk_leaves_no_partial_file(data_config, kaggle, monkeypatch):
    def full(source, target):
        target.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(UserError, match="No space left on device"):
        download("fer2013", data_config)
    assert not [path for path in data_config.data_dir.rglob("*") if path.is_file()]


def test_instructions_for_datasets_under_an_agreement(data_config, kaggle):
    for entry in DATASETS:
        if not needs_files(entry.name) or entry.options.get("kaggle"):
            continue
        assert download(entry.name, data_config) is None and kaggle.requests == []
        message = instructions(entry.name, data_config)
        assert entry.options["source"] in message and str(data_config.data_dir) in message
        assert all(layout in message for layout in entry.options["layouts"])
        assert ("under an agreement" in message) == bool(entry.options.get("agreement"))


def test_drawn_datasets_are_not_downloaded(data_config):
    with pytest.raises(UserError, match="nothing to download"):
        download("synthetic", data_config)
    with pytest.raises(UserError, match="fer2013"):
        download("fer2031", data_config)
