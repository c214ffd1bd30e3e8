"""Initial weights: the searched locations, and the fallbacks."""

import hashlib

import keras
import pytest

from fer_bench.core.errors import UserError
from fer_bench.registry.architectures import Architecture
from fer_bench.training import weights
from fer_bench.training.weights import KERAS_FILES, find_initial_weights, resolve_weights_dir

VGG16 = Architecture("vgg16", "A network.", "vgg", weights="imagenet")
VGG19 = Architecture("vgg19", "A network.", "vgg", weights="imagenet")
CUSTOM = Architecture("custom", "A network.", "custom")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Provide an empty Keras cache."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "vgg16_notop.weights.h5").write_bytes(b"weights of vgg16")
    return tmp_path / "weights"


@pytest.fixture
def server(monkeypatch):
    """Replace the download of Keras and record its requests; set `response` to an exception or a path."""

    class Server:
        def __init__(self):
            self.requests = []
            self.response = Exception("URL fetch failure on …: None -- no route to host")

        def get_file(self, name, origin, **options):
            self.requests.append((name, origin, options))
            if isinstance(self.response, Exception):
                raise self.response
            return str(self.response)

    server = Server()
    weights._unreachable.clear()
    monkeypatch.setattr(keras.utils, "get_file", server.get_file)
    return server


def label(content: bytes) -> str:
    return f"imagenet:{hashlib.sha256(content).hexdigest()[:16]}"


@pytest.mark.parametrize("requested", ["auto", "imagenet"])
def test_a_file_in_the_weights_folder_is_used_and_its_label_is_a_digest(folder, requested):
    result = find_initial_weights(VGG16, requested, folder)
    assert result.file == folder / "vgg16_notop.weights.h5"
    assert result.label == label(b"weights of vgg16")
    assert result.note == ""


def test_an_architecture_uses_the_file_of_its_backbone(folder):
    head = Architecture("vgg16_with_head", "A network.", "vgg", weights="imagenet", backbone="vgg16")
    assert find_initial_weights(head, "imagenet", folder).file == folder / "vgg16_notop.weights.h5"


def test_the_keras_cache_is_searched_after_the_folder(folder, home):
    (home / "models").mkdir(parents=True)
    for name in ("vgg16", "vgg19"):
        (home / "models" / KERAS_FILES[name][0].split("/")[-1]).write_bytes(b"cached")
    assert find_initial_weights(VGG19, "auto", folder).label == label(b"cached")
    assert find_initial_weights(VGG16, "auto", folder).label == label(b"weights of vgg16")
    assert find_initial_weights(VGG16, "auto", None).label == label(b"cached")


def test_weights_are_downloaded_if_no_file_exists(server, tmp_path, folder):
    server.response = tmp_path / "downloaded.h5"
    server.response.write_bytes(b"downloaded")
    assert find_initial_weights(VGG19, "auto", folder).label == label(b"downloaded")
    ((name, origin, options),) = server.requests
    assert origin.startswith("https://") and origin.endswith(f"/vgg19/{name}")
    assert options["file_hash"] == KERAS_FILES["vgg19"][1]


def test_auto_falls_back_to_random_and_lists_the_locations(server, folder, home):
    result = find_initial_weights(VGG19, "auto", folder)
    assert (result.label, result.file) == ("random", None)
    for place in (str(folder / "vgg19_notop.weights.h5"), str(home / "models"), weights.KERAS_URL):
        assert place in result.note
    assert "vgg19" in result.note and "could not be reached" in result.note


def test_missing_imagenet_weights_are_an_error_with_all_locations(server, folder, home):
    with pytest.raises(UserError) as raised:
        find_initial_weights(VGG19, "imagenet", folder)
    for place in (str(folder / "vgg19_notop.weights.h5"), str(home / "models"), weights.KERAS_URL):
        assert place in str(raised.value)


def test_an_unreachable_server_is_tried_once(server):
    find_initial_weights(VGG16, "auto", None)
    result = find_initial_weights(VGG19, "auto", None)
    assert len(server.requests) == 1 and "could not be reached" in result.note


@pytest.mark.parametrize("error", [TimeoutError("timed out"), ConnectionResetError(104, "reset")])
def test_an_interrupted_download_counts_as_unreachable(server, error):
    server.response = error
    find_initial_weights(VGG16, "auto", None)
    assert "could not be reached" in find_initial_weights(VGG19, "auto", None).note
    assert len(server.requests) == 1


def test_a_damaged_download_does_not_prevent_others(server):
    server.response = ValueError("Incomplete or corrupted file detected.\nThe md5 file hash does not match")
    note = find_initial_weights(VGG16, "auto", None).note
    assert "Incomplete or corrupted file detected." in note and "\n" not in note
    find_initial_weights(VGG19, "auto", None)
    assert len(server.requests) == 2


def test_a_download_is_named_and_the_output_has_none_of_keras_notices(monkeypatch, home, capsys):
    monkeypatch.setitem(KERAS_FILES, "vgg19", ("file:///no/such/file.h5", None))
    weights._unreachable.clear()
    find_initial_weights(VGG19, "auto", None)
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "Downloading ImageNet weights for vgg19.\n")
    assert keras.config.is_interactive_logging_enabled()


def test_nothing_is_downloaded_without_need(server, folder):
    find_initial_weights(VGG16, "auto", folder)
    find_initial_weights(VGG19, "random", folder)
    find_initial_weights(CUSTOM, "auto", folder)
    assert server.requests == []


@pytest.mark.parametrize("architecture", [VGG16, CUSTOM], ids=["with weights", "without"])
def test_random_weights_need_no_file(architecture, folder):
    result = find_initial_weights(architecture, "random", folder)
    assert (result.label, result.file, result.note) == ("random", None, "")


def test_an_architecture_without_imagenet_weights(folder):
    assert find_initial_weights(CUSTOM, "auto", folder).label == "random"
    assert find_initial_weights(CUSTOM, "auto", folder).note == ""
    with pytest.raises(UserError, match="no ImageNet weights"):
        find_initial_weights(CUSTOM, "imagenet", folder)


def test_weights_unknown_to_keras_come_from_the_folder_only(folder):
    custom = Architecture("custom", "A network.", "custom", weights="imagenet")
    assert "--weights-dir" in find_initial_weights(custom, "auto", None).note
    assert str(folder / "custom_notop.weights.h5") in find_initial_weights(custom, "auto", folder).note
    (folder / "custom_notop.weights.h5").write_bytes(b"custom")
    weights._find.cache_clear()
    assert find_initial_weights(custom, "imagenet", folder).label == label(b"custom")


def test_the_weights_folder_is_the_argument_or_the_environment_variable(folder, tmp_path, monkeypatch):
    assert resolve_weights_dir(None) is None
    monkeypatch.setenv("FER_BENCH_WEIGHTS", str(tmp_path))
    assert resolve_weights_dir(None) == tmp_path
    assert resolve_weights_dir(folder) == folder
    monkeypatch.setenv("FER_BENCH_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="nowhere"):
        resolve_weights_dir(None)
