"""Entries are listed without running their files, and every mistake in a file is a clear error."""

import sys
import types

import pytest

from fer_bench.core.errors import UserError
from fer_bench.registry.registry import Registry

HEAD = "from toolbox import register_tool\n\n"
HAMMER = '''
@register_tool("hammer", weight=2, uses=["nails", "glass"])
def hammer(x):
    """Hits.

    Hard.
    """
    return x + 1
'''


@pytest.fixture
def registry(monkeypatch):
    """A registry of tools whose files import its decorator as `toolbox.register_tool`."""
    registry = Registry("tool")
    toolbox = types.ModuleType("toolbox")
    monkeypatch.setattr(toolbox, "register_tool", registry.register, raising=False)
    monkeypatch.setitem(sys.modules, "toolbox", toolbox)
    return registry


def write(path, text):
    path.write_text(HEAD + text)
    return path


def test_scan_lists_entries_without_running_the_file(registry, tmp_path):
    ran = tmp_path / "ran"
    write(tmp_path / "a.py", f"open({str(ran)!r}, 'w')\nimport missing_library\nraise SystemExit\n{HAMMER}")
    registry.scan(tmp_path)
    entry = registry.get("hammer")
    assert not ran.exists()
    assert entry.summary == "Hits."  # the first line of the docstring
    assert entry.doc.splitlines()[-1] == "Hard."
    assert entry.options == {"weight": 2, "uses": ["nails", "glass"]}
    assert (entry.file, entry.function, entry.module) == ((tmp_path / "a.py").resolve(), "hammer", None)


def test_scan_finds_every_form_of_the_decorator_and_nothing_else(registry, tmp_path):
    write(
        tmp_path / "a.py",
        "import toolbox\n"
        "@toolbox.register_tool('plane')\n@staticmethod\ndef plane(): pass\n"
        "@register_toolbox('box')\ndef box(): pass\n"
        "def saw(): pass\n"
        "class Kit:\n    @register_tool('inner')\n    def inner(self): pass\n",
    )
    registry.scan(tmp_path)
    assert registry.names() == ["plane"]
    assert registry.get("plane").summary == ""


def test_scan_of_a_folder_sets_the_modules_of_its_package(registry, tmp_path):
    write(tmp_path / "b.py", "@register_tool('b')\ndef b(): pass\n")
    write(tmp_path / "a.py", "@register_tool('z')\ndef z(): pass\n")
    registry.scan(tmp_path, package="shed")
    assert [(e.name, e.module) for e in registry] == [("b", "shed.b"), ("z", "shed.a")]
    assert "b" in registry and "a" not in registry


def test_the_init_file_of_a_package_is_named_as_the_package(registry, tmp_path):
    write(tmp_path / "__init__.py", "@register_tool('saw')\ndef saw(): pass\n")
    file = write(tmp_path / "a.py", "@register_tool('rasp')\ndef rasp(): pass\n")
    registry.scan(tmp_path, package="shed")
    assert [(e.name, e.module) for e in registry] == [("rasp", "shed.a"), ("saw", "shed")]
    other = Registry("tool")
    other.scan(file, package="shed.a")
    assert other.get("rasp").module == "shed.a"


def test_a_lazy_loader_runs_once_at_the_first_request(registry, tmp_path):
    file = write(tmp_path / "a.py", HAMMER)
    calls = []

    def load() -> None:
        calls.append(1)
        registry.scan(file)

    registry.add_lazy_loader(load)
    assert calls == []
    assert registry.match("h*") == ["hammer"] and "hammer" in registry and registry.get("hammer")
    assert calls == [1]


def test_temporary_removes_the_entries_that_were_added(registry, tmp_path):
    registry.add_lazy_loader(lambda: registry.scan(write(tmp_path / "a.py", HAMMER)))
    function = registry.function
    with pytest.raises(ZeroDivisionError), registry.temporary():
        registry.scan(write(tmp_path / "b.py", HAMMER.replace("hammer", "sledge")))
        assert registry.names() == ["hammer", "sledge"] and function("sledge")(1) == function("hammer")(1) == 2
        raise ZeroDivisionError
    assert registry.names() == ["hammer"] and function("hammer")(1) == 2
    with pytest.raises(UserError):
        function("sledge")


def test_an_invalid_file_adds_no_entry(registry, tmp_path):
    write(tmp_path / "a.py", HAMMER)
    write(tmp_path / "b.py", "@register_tool(5)\ndef x(): pass\n")
    with pytest.raises(UserError):
        registry.scan(tmp_path)
    assert registry.names() == []


def test_a_file_can_be_scanned_again_after_its_import(registry, tmp_path):
    file = write(tmp_path / "single.py", HAMMER)
    registry.scan(file)
    assert registry.function("hammer")(1) == 2
    assert registry.function("hammer") is registry.function("hammer")
    registry.scan(file)
    assert registry.names() == ["hammer"]


def test_a_symlinked_file_works(registry, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder").mkdir()
    real = write(tmp_path / "elsewhere" / "mine.py", HAMMER)
    (tmp_path / "folder" / "mine.py").symlink_to(real)
    registry.scan(tmp_path / "folder")
    assert registry.function("hammer")(1) == 2


def test_the_decorator_registers_a_function_without_a_scan(registry):
    @registry.register("rake", tines=5)
    def rake():
        """Gathers leaves.

        In autumn.
        """
        return "leaves"

    assert registry.function("rake")() == "leaves"
    assert registry.get("rake").summary == "Gathers leaves."
    assert registry.get("rake").options == {"tines": 5}


def test_a_duplicate_name_is_an_error_with_both_locations(registry, tmp_path):
    first = write(tmp_path / "a.py", HAMMER)
    second = write(tmp_path / "b.py", "\n\n" + HAMMER.replace("def hammer", "def sledge"))
    with pytest.raises(UserError) as raised:
        registry.scan(tmp_path)
    message = str(raised.value)
    assert "tool 'hammer' is registered twice" in message
    assert f"{first.resolve()}:5" in message and f"{second.resolve()}:7" in message


@pytest.mark.parametrize(
    "decorator",
    [
        "@register_tool('x', weight=heavy)",
        "@register_tool('x', weight=1 + len('a'))",
        "@register_tool('x', **more)",
        "@register_tool('x', sizes={[]: 1})",
        "@register_tool('x', 'y')",
        "@register_tool(name='x')",
        "@register_tool(5)",
        "@register_tool()",
    ],
)
def test_a_decorator_without_literals_is_an_error(registry, tmp_path, decorator):
    file = write(tmp_path / "a.py", f"{decorator}\ndef x(): pass\n")
    with pytest.raises(UserError, match="literal options") as raised:
        registry.scan(tmp_path)
    assert f"{file.resolve()}, line 3" in str(raised.value)


def test_a_missing_file_is_an_error(registry, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        registry.scan(tmp_path / "nowhere.py")


@pytest.mark.parametrize("content", [b"def broken(:\n", b"x = '\xff'\n", b"x = 1\0\n"])
def test_a_file_that_does_not_parse_is_an_error(registry, tmp_path, content):
    (tmp_path / "broken.py").write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.py is not valid Python"):
        registry.scan(tmp_path)


def test_a_decorator_that_the_import_does_not_reach_is_an_error(registry, tmp_path):
    registry.scan(write(tmp_path / "a.py", f"register_tool = lambda *a, **k: lambda f: f\n{HAMMER}"))
    with pytest.raises(UserError, match="when imported"):
        registry.function("hammer")


@pytest.fixture
def full(registry, tmp_path):
    names = ("vgg16", "vgg19", "cnn", "cnn_lstm")
    write(tmp_path / "a.py", "".join(f"@register_tool('{n}')\ndef {n}(): pass\n" for n in names))
    registry.scan(tmp_path)
    return registry


@pytest.mark.parametrize("method", ["get", "match", "function"])
def test_an_unknown_name_suggests_near_names(full, method):
    with pytest.raises(UserError, match=r"vgg91.*vgg19"):
        getattr(full, method)("vgg91")


def test_a_name_without_near_names_lists_all_names(full):
    with pytest.raises(UserError, match="cnn, cnn_lstm, vgg16, vgg19"):
        full.get("qqq")
    with pytest.raises(UserError, match=r"vit\*.*cnn, cnn_lstm"):
        full.match("vit*")
    with pytest.raises(UserError, match="none"):
        Registry("saw").get("any")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("vgg*", ["vgg16", "vgg19"]),
        ("cnn", ["cnn"]),
        ("*n*", ["cnn", "cnn_lstm"]),
        ("vgg1[69]", ["vgg16", "vgg19"]),
        ("all", ["cnn", "cnn_lstm", "vgg16", "vgg19"]),
    ],
)
def test_patterns(full, pattern, names):
    assert full.match(pattern) == names


def test_names_and_patterns_in_any_spelling(full):
    assert full.get("CNN-LSTM").name == "cnn_lstm" and full.spelling("Vgg 16") == "vgg16"
    assert full.match("CNN+LSTM") == ["cnn_lstm"] and full.match("VGG*") == ["vgg16", "vgg19"]
    assert full.match("CNN-*") == ["cnn_lstm"] and full.match("All") == full.names()
    assert "VGG16" not in full and full.spelling("vit") == "vit"


def test_an_exact_name_wins_over_other_spellings(full):
    @full.register("VGG16")
    def other():
        """Another."""

    assert full.get("VGG16").name == "VGG16" and full.get("vgg16").name == "vgg16"
    with pytest.raises(UserError, match="'vgg16'"):
        full.get("vgg-16")
