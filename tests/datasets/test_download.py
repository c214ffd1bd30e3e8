"""`data download` with a made-up kagglehub: nothing here goes online."""

import sys
from types import SimpleNamespace

import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS, DataConfig, find
from fer_bench.datasets.download import download, instructions
from fer_bench.datasets.registry import needs_files


@pytest.fixture
def places(tmp_path):
    return DataConfig(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """A kagglehub whose cache holds the file, and what it was asked for."""
    asked = []
    file = tmp_path / "kagglehub" / "icml_face_data.csv"
    file.parent.mkdir()
    file.write_text("emotion, Usage, pixels\n")

    def competition_download(handle, path=None, **options):
        asked.append((handle, path))
        return str(file)

    module = SimpleNamespace(competition_download=competition_download, asked=asked, file=file)
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    return module


def test_the_file_is_put_where_it_is_found(places, kaggle):
    path = download("fer2013", places)
    assert path == places.data_dir / "fer2013" / "icml_face_data.csv" == find("fer2013", places)
    assert path.read_text() == kaggle.file.read_text()
    assert [p.name for p in path.parent.iterdir()] == ["icml_face_data.csv"]
    ((handle, file),) = kaggle.asked
    assert handle.startswith("challenges-in-representation-learning") and file == "icml_face_data.csv"


def test_what_is_there_is_not_fetched_again(places, kaggle):
    first = download("fer2013", places)
    assert download("fer2013", places) == first and len(kaggle.asked) == 1


def test_a_folder_instead_of_a_file_is_looked_into(places, kaggle, monkeypatch):
    monkeypatch.setattr(kaggle, "competition_download", lambda handle, path=None: str(kaggle.file.parent))
    assert download("fer2013", places).is_file()


def test_a_missing_kagglehub_says_how_to_get_it_and_how_to_do_without(places, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(UserError) as raised:
        download("fer2013", places)
    told = str(raised.value)
    assert "pip install 'fer-bench[download]'" in told and "kaggle.com/c/challenges" in told
    assert not places.data_dir.exists()


@pytest.mark.parametrize("error", [ConnectionError("no\nroute"), PermissionError(), ValueError("403 Forbidden.")])
def test_a_refusal_is_one_sentence_with_what_to_do(places, kaggle, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(kaggle, "competition_download", refuse)
    with pytest.raises(UserError) as raised:
        download("fer2013", places)
    told = str(raised.value)
    assert "\n" not in told and "/rules" in told and "KAGGLE_KEY" in told and "by hand" in told
    assert not list(places.data_dir.rglob("*"))


def test_a_full_disk_leaves_nothing_half_copied(places, kaggle, monkeypatch):
    def full(source, target):
        target.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(UserError, match="No space left on device"):
        download("fer2013", places)
    assert not [path for path in places.data_dir.rglob("*") if path.is_file()]


def test_sets_under_an_agreement_say_where_to_ask_and_how_to_lay_them_out(places, kaggle):
    for entry in DATASETS:
        if not needs_files(entry.name) or entry.options.get("kaggle"):
            continue
        assert download(entry.name, places) is None and kaggle.asked == []
        told = instructions(entry.name, places)
        assert entry.options["source"] in told and str(places.data_dir) in told
        assert all(layout in told for layout in entry.options["layouts"])
        assert ("given out under an agreement" in told) == bool(entry.options.get("agreement"))


def test_what_the_program_makes_is_not_downloaded(places):
    with pytest.raises(UserError, match="nothing to download"):
        download("synthetic", places)
    with pytest.raises(UserError, match="did you mean"):
        download("fer2031", places)
