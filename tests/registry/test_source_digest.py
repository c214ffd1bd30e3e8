"""The digest changes if and only if the behavior of the function may change."""

from pathlib import Path

import pytest

import fer_bench.layers
from fer_bench.registry import source_digest
from fer_bench.registry.source_digest import digest

LAYERS = '''
"""Blocks."""

from architectures.deeper import sharpen

WIDTH = 3
DEPTH, HEIGHT = 4, 5
UNUSED = 1


def block(x):
    """A block."""
    return sharpen(x) * WIDTH


class Gate(Base):
    """A gate."""

    size = DEPTH

    def call(self, x):
        """Call it."""
        return x * self.size


def unused(x):
    return x
'''

DEEPER = """
RATE = 2


def sharpen(x):
    return finish(x) * RATE


def finish(x):
    return x - 1
"""

MODEL = '''
"""A family."""

from fer_bench import register_architecture
from fer_bench.layers import Gate, block

STEPS = 3
TOTAL = STEPS * 2


@register_architecture("net", family="test", recipe={"epochs": 3})
def net(inputs, recipe):
    """A network."""
    for _ in range(TOTAL):
        inputs = helper(inputs)
    return Gate()(inputs)


def helper(x):
    return block(x)  # the block


@register_architecture("neighbor", family="test")
def neighbor(inputs, recipe):
    return inputs + 1
'''

FILES = {"model.py": MODEL, "layers.py": LAYERS, "deeper.py": DEEPER}


@pytest.fixture
def digest_of(tmp_path, monkeypatch):
    """Return the digest of `net` after a replacement in one file: `digest_of("layers.py", "x", "y")`."""
    count = 0

    def make(file: str = "", old: str = "", new: str = "", function: str = "net", files: dict = FILES) -> str:
        nonlocal count
        count += 1
        folder = tmp_path / str(count)
        folder.mkdir()
        for name, text in files.items():
            assert name != file or old in text
            (folder / name).write_text(text.replace(old, new) if name == file else text)
        monkeypatch.setattr(source_digest, "LAYERS_FILE", folder / "layers.py")
        source_digest._parse_file.cache_clear()
        return digest(folder / "model.py", function)

    return make


def test_a_digest_is_64_hexadecimal_digits_in_any_folder(digest_of):
    assert len(digest_of()) == 64 and int(digest_of(), 16)
    assert digest_of() == digest_of()


def test_a_digest_is_the_same_on_every_python_version(tmp_path):
    """Results from several machines can be merged only if their keys agree."""
    file = tmp_path / "known.py"
    file.write_text(
        "class Layer(Base, axis=-1):\n    size: int = 3\n\n"
        "def known(x, *, scale=None, **more):\n    with one(x) as y:\n        return [Layer()(y[1:]), f'{x!r}', ...]\n"
    )
    assert digest(file, "known") == "5c3592133f334a602f73f2c8343ff43460822553580460595116e26146901606"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("model.py", "# the block", "# the only block"),
        ("model.py", '"""A network."""', '"""A deep network.\n\n    Of layers.\n    """'),
        ("model.py", '    """A network."""\n', ""),
        ("model.py", '"""A family."""', ""),
        ("model.py", "range(TOTAL)", "range(\n        TOTAL,\n    )"),
        ("model.py", 'recipe={"epochs": 3}', 'recipe={"epochs": 5}, paper="A. Author"'),
        ("model.py", "return inputs + 1", "return inputs + 2"),
        ("model.py", "def neighbor", "def another"),
        ("layers.py", '"""A gate."""', '"""Opens and closes."""'),
        ("layers.py", '"""Call it."""', ""),
        ("layers.py", "UNUSED = 1", "UNUSED = 2"),
        ("layers.py", "def unused(x):\n    return x", "def unused(x):\n    return -x"),
    ],
    ids=lambda text: text.strip().splitlines()[0][:30] if text.strip() else "-",
)
def test_irrelevant_changes_keep_the_digest(digest_of, file, old, new):
    assert digest_of(file, old, new) == digest_of()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("model.py", "return Gate()(inputs)", "return Gate()(2 * inputs)"),
        ("model.py", "return block(x)", "return block(block(x))"),  # a helper
        ("model.py", "STEPS = 3", "STEPS = 4"),  # behind another constant
        ("layers.py", "x * self.size", "x + self.size"),
        ("layers.py", "class Gate(Base)", "class Gate(Other)"),
        ("layers.py", "DEPTH, HEIGHT = 4, 5", "DEPTH, HEIGHT = 6, 5"),
        ("layers.py", "WIDTH = 3", "WIDTH = 9"),
        ("deeper.py", "RATE = 2", "RATE = 3"),  # a third file
        ("deeper.py", "return x - 1", "return x - 2"),  # a helper of a helper
    ],
)
def test_relevant_changes_change_the_digest(digest_of, file, old, new):
    assert digest_of(file, old, new) != digest_of()


def test_two_functions_of_a_file_differ(digest_of):
    assert digest_of() != digest_of(function="neighbor")


IMPORTS = {
    "from": ("from fer_bench.layers import block", "block(x)"),
    "from as": ("from fer_bench.layers import block as b", "b(x)"),
    "relative": ("from .layers import block", "block(x)"),
    "bare": ("from layers import block", "block(x)"),
    "module": ("from architectures import my_layers as blocks", "blocks.block(x)"),
    "relative module": ("from . import layers", "layers.block(x)"),
    "from package": ("from fer_bench import layers", "layers.block(x)"),
    "dotted": ("import fer_bench.layers", "fer_bench.layers.block(x)"),
    "dotted as": ("import fer_bench.layers as blocks", "blocks.block(x)"),
    "star": ("from fer_bench.layers import *", "block(x)"),
    "inside": ("", "block(x)"),
    "re-exported": ("from architectures.reexport import block", "block(x)"),
}


@pytest.mark.parametrize(("line", "call"), IMPORTS.values(), ids=IMPORTS)
def test_every_form_of_import_is_followed(digest_of, line, call):
    inside = "    from fer_bench.layers import block\n" if not line else ""
    files = {
        "model.py": f"{line}\n\ndef net(x):\n{inside}    return {call}\n",
        "layers.py": LAYERS,
        "my_layers.py": LAYERS,
        "deeper.py": DEEPER,
        "reexport.py": "from fer_bench.layers import block\n",
    }
    names = "my_layers.py" if "my_layers" in line else "layers.py"
    assert digest_of(names, "* WIDTH", "+ WIDTH", files=files) != digest_of(files=files)
    assert digest_of(names, "UNUSED = 1", "UNUSED = 2", files=files) == digest_of(files=files)
    assert digest_of("deeper.py", "RATE = 2", "RATE = 3", files=files) != digest_of(files=files)


def test_a_file_elsewhere_is_followed_into_the_shared_layers(tmp_path, monkeypatch):
    def make(number: int, width: int) -> str:
        shared = tmp_path / str(number) / "shared"
        shared.mkdir(parents=True)
        (shared / "layers.py").write_text(f"WIDTH = {width}\n\ndef block(x):\n    return x * WIDTH\n")
        file = tmp_path / str(number) / "mine.py"
        file.write_text("from fer_bench.layers import block\n\ndef net(x):\n    return block(x)\n")
        monkeypatch.setattr(source_digest, "LAYERS_FILE", shared / "layers.py")
        return digest(file, "net")

    assert make(1, 3) == make(2, 3)
    assert make(3, 4) != make(4, 3)


def test_definitions_inside_a_condition_count(digest_of):
    text = "try:\n    import fast\n    SIZE = 1\nexcept ImportError:\n    def SIZE():\n        return 2\n"
    files = {"model.py": f"{text}SIZES = [SIZE]\nSIZES += [3]\n\ndef net(x):\n    return SIZES\n"}
    assert len({digest_of(files=files), *(digest_of("model.py", a, "7", files=files) for a in "123")}) == 4


def test_recursion_terminates(digest_of):
    files = {"model.py": "def net(x):\n    return other(x)\n\ndef other(x):\n    return net(other(x))\n"}
    assert digest_of(files=files) != digest_of("model.py", "net(other(x))", "other(x)", files=files)


def test_the_shared_layers_are_those_of_the_project():
    assert Path(fer_bench.layers.__file__).resolve() == source_digest.LAYERS_FILE
