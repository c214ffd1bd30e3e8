"""Initial weights: where they are looked for, and what happens where there are none."""

import hashlib

import pytest

from fer_bench.core.errors import UserError
from fer_bench.registry.architectures import Architecture
from fer_bench.training import weights
from fer_bench.training.weights import KERAS_FILES, find_initial_weights, resolve_weights_dir

VGG16 = Architecture("vgg16", "A network.", "vgg", weights="imagenet")
VGG19 = Architecture("vgg19", "A network.", "vgg", weights="imagenet")
OWN = Architecture("own", "A network.", "own")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty Keras cache, and no server to be reached."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "vgg16_notop.weights.h5").write_bytes(b"weights of vgg16")
    return tmp_path / "weights"


@pytest.fixture
def server(monkeypatch):
    """Keras' download, replaced: a list of the files asked for; set `answer` to an exception or a path."""
    import keras

    class Server:
        def __init__(self):
            self.asked = []
            self.answer = Exception("URL fetch failure on …: None -- no route to host")

        def get_file(self, name, origin, **options):
            self.asked.append((name, origin, options))
            if isinstance(self.answer, Exception):
                raise self.answer
            return str(self.answer)

    made = Server()
    weights._unreachable.clear()
    monkeypatch.setattr(keras.utils, "get_file", made.get_file)
    return made


def label(content: bytes) -> str:
    return f"imagenet:{hashlib.sha256(content).hexdigest()[:16]}"


@pytest.mark.parametrize("wanted", ["auto", "imagenet"])
def test_a_file_in_the_weights_folder_is_taken_and_named_by_its_content(folder, wanted):
    found = find_initial_weights(VGG16, wanted, folder)
    assert found.file == folder / "vgg16_notop.weights.h5"
    assert found.label == label(b"weights of vgg16")
    assert found.note == ""


def test_an_architecture_reads_the_file_of_its_backbone(folder):
    head = Architecture("vgg16_with_head", "A network.", "vgg", weights="imagenet", backbone="vgg16")
    assert find_initial_weights(head, "imagenet", folder).file == folder / "vgg16_notop.weights.h5"


def test_keras_own_cache_is_the_second_place(folder, home):
    (home / "models").mkdir(parents=True)
    for name in ("vgg16", "vgg19"):
        (home / "models" / KERAS_FILES[name][0].split("/")[-1]).write_bytes(b"cached")
    assert find_initial_weights(VGG19, "auto", folder).label == label(b"cached")
    assert find_initial_weights(VGG16, "auto", folder).label == label(b"weights of vgg16")
    assert find_initial_weights(VGG16, "auto", None).label == label(b"cached")


def test_keras_download_is_the_third_place(server, tmp_path, folder):
    server.answer = tmp_path / "downloaded.h5"
    server.answer.write_bytes(b"downloaded")
    assert find_initial_weights(VGG19, "auto", folder).label == label(b"downloaded")
    ((name, origin, options),) = server.asked
    assert origin.startswith("https://") and origin.endswith(f"/vgg19/{name}")
    assert options["file_hash"] == KERAS_FILES["vgg19"][1]


def test_auto_falls_back_to_random_and_says_where_it_looked(server, folder, home):
    found = find_initial_weights(VGG19, "auto", folder)
    assert (found.label, found.file) == ("random", None)
    for place in (str(folder / "vgg19_notop.weights.h5"), str(home / "models"), weights.KERAS_URL):
        assert place in found.note
    assert "vgg19" in found.note and "could not be reached" in found.note


def test_imagenet_that_cannot_be_had_is_an_error_that_names_all_places(server, folder, home):
    with pytest.raises(UserError) as raised:
        find_initial_weights(VGG19, "imagenet", folder)
    for place in (str(folder / "vgg19_notop.weights.h5"), str(home / "models"), weights.KERAS_URL):
        assert place in str(raised.value)


def test_a_server_out_of_reach_is_tried_once(server):
    find_initial_weights(VGG16, "auto", None)
    found = find_initial_weights(VGG19, "auto", None)
    assert len(server.asked) == 1 and "could not be reached" in found.note


@pytest.mark.parametrize("error", [TimeoutError("timed out"), ConnectionResetError(104, "reset")])
def test_a_server_that_breaks_off_is_out_of_reach_too(server, error):
    server.answer = error
    find_initial_weights(VGG16, "auto", None)
    assert "could not be reached" in find_initial_weights(VGG19, "auto", None).note
    assert len(server.asked) == 1


def test_one_damaged_file_is_named_and_does_not_stop_the_others(server):
    server.answer = ValueError("Incomplete or corrupted file detected.\nThe md5 file hash does not match")
    note = find_initial_weights(VGG16, "auto", None).note
    assert "Incomplete or corrupted file detected." in note and "\n" not in note
    find_initial_weights(VGG19, "auto", None)
    assert len(server.asked) == 2


def test_the_server_is_not_asked_without_need(server, folder):
    find_initial_weights(VGG16, "auto", folder)
    find_initial_weights(VGG19, "random", folder)
    find_initial_weights(OWN, "auto", folder)
    assert server.asked == []


@pytest.mark.parametrize("architecture", [VGG16, OWN], ids=["with weights", "without"])
def test_random_weights_need_no_file(architecture, folder):
    found = find_initial_weights(architecture, "random", folder)
    assert (found.label, found.file, found.note) == ("random", None, "")


def test_an_architecture_without_weights_takes_random_ones_for_auto_and_refuses_imagenet(folder):
    assert find_initial_weights(OWN, "auto", folder).label == "random"
    assert find_initial_weights(OWN, "auto", folder).note == ""
    with pytest.raises(UserError, match="There are no ImageNet weights for 'own'"):
        find_initial_weights(OWN, "imagenet", folder)


def test_weights_that_keras_does_not_have_come_from_the_folder_alone(folder):
    own = Architecture("own", "A network.", "own", weights="imagenet")
    assert "a folder given by --weights-dir" in find_initial_weights(own, "auto", None).note
    assert str(folder / "own_notop.weights.h5") in find_initial_weights(own, "auto", folder).note
    (folder / "own_notop.weights.h5").write_bytes(b"own")
    weights._find.cache_clear()
    assert find_initial_weights(own, "imagenet", folder).label == label(b"own")


def test_the_weights_folder_is_the_given_one_else_the_environments(folder, tmp_path, monkeypatch):
    assert resolve_weights_dir(None) is None
    monkeypatch.setenv("FER_BENCH_WEIGHTS", str(tmp_path))
    assert resolve_weights_dir(None) == tmp_path
    assert resolve_weights_dir(folder) == folder
    monkeypatch.setenv("FER_BENCH_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"The weights folder .*nowhere does not exist"):
        resolve_weights_dir(None)
