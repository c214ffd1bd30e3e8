"""Random damage to the files of a dataset, as it happens to people.

No damage replaces a digit by another or moves an image into the folder of another class: a wrong label that looks like
a right one cannot be recognized by anybody.
"""

import random
import shutil
from pathlib import Path

SUFFIXES = (".jpg", ".PNG", ".tiff", ".jfif", ".txt", ".bmp", ".csv", ".zip", ".gz", "", ".png.bak", ".png.txt")
NAMES = ("new", "copy of happy", "Happiness", "0_angry", "SAD", "fear (1)", "ünïcode", "a\nb", ".hidden", "7", "train")
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32", "utf-7", "cp500")
CONTENTS = (
    b"",
    b"\0" * 3000,
    b"<!DOCTYPE html><html>Sign in</html>",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
    b"PK\x03\x04" + bytes(100),
    b"\x1f\x8b\x08" + bytes(range(256)),
    b"Rar!\x1a\x07\x01\x00",
    b"emotion,pixels,Usage\n",
)


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def is_text(path: Path) -> bool:
    return path.suffix in (".csv", ".txt")


def truncate(rng: random.Random, root: Path) -> None:
    path = rng.choice(files(root))
    content = path.read_bytes()
    cut = rng.randrange(len(content) + 1)
    path.write_bytes(content[:cut] if rng.random() < 0.7 else content[cut:])


def flip_bytes(rng: random.Random, root: Path) -> None:
    path = rng.choice(files(root))
    content = bytearray(path.read_bytes())
    others = [byte for byte in range(256) if not is_text(path) or byte not in b"0123456789"]
    for _ in range(rng.choice((1, 1, 2, 20)) if content else 0):
        content[rng.randrange(len(content))] = rng.choice(others)
    path.write_bytes(content)


def delete_bytes(rng: random.Random, root: Path) -> None:
    path = rng.choice(files(root))
    content = path.read_bytes()
    start = rng.randrange(len(content) + 1)
    path.write_bytes(content[:start] + content[start + rng.choice((1, 2, 50)) :])


def replace_content(rng: random.Random, root: Path) -> None:
    rng.choice(files(root)).write_bytes(rng.choice(CONTENTS))


def delete_files(rng: random.Random, root: Path) -> None:
    found = files(root)
    for path in rng.sample(found, min(len(found), rng.choice((1, 2, 10)))):
        path.unlink()


def delete_folder(rng: random.Random, root: Path) -> None:
    if folders := _folders(root):
        shutil.rmtree(rng.choice(folders))


def rename_folder(rng: random.Random, root: Path) -> None:
    if folders := _folders(root):
        folder = rng.choice(folders)
        _rename(folder, folder.with_name(rng.choice([*NAMES, folder.name.upper(), folder.name + "s"])))


def rename_file(rng: random.Random, root: Path) -> None:
    path = rng.choice(files(root))
    _rename(path, path.with_name(rng.choice([*NAMES, path.name.upper(), f"{path.stem} (1){path.suffix}"])))


def change_suffix(rng: random.Random, root: Path) -> None:
    path, suffix = rng.choice(files(root)), rng.choice(SUFFIXES)
    for other in [path] if rng.random() < 0.5 else files(path.parent):
        _rename(other, other.with_name(other.stem + suffix))


def duplicate_file(rng: random.Random, root: Path) -> None:
    path = rng.choice(files(root))
    shutil.copy(path, path.with_name(f"{path.stem} - Copy{path.suffix}"))


def encode(rng: random.Random, root: Path) -> None:
    if path := _text_file(rng, root):
        text = path.read_bytes().decode("utf-8", errors="replace")
        path.write_bytes(text.encode(rng.choice(ENCODINGS), errors="replace"))


def change_line_ends(rng: random.Random, root: Path) -> None:
    if path := _text_file(rng, root):
        path.write_bytes(path.read_bytes().replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\n\r\n"))))


def change_delimiter(rng: random.Random, root: Path) -> None:
    if path := _text_file(rng, root):
        old, new = rng.choice(((b",", b";"), (b",", b"\t"), (b",", b"|"), (b" ", b","), (b" ", b"\t"), (b",", b", ")))
        path.write_bytes(path.read_bytes().replace(old, new))


def swap_columns(rng: random.Random, root: Path) -> None:
    """Swap two columns, with or without their names in the first line."""
    if path := _text_file(rng, root):
        lines = path.read_bytes().split(b"\n")
        mark = b"," if b"," in lines[0] else b" "
        table = [line.split(mark) for line in lines]
        width = len(table[0])
        if width < 2:
            return
        one, other = rng.sample(range(width), 2)
        if width > 4 and max(one, other) > 1:
            return  # counts of votes, which all look alike
        rows = rng.choice((table, table[1:], table[:1]))
        for row in rows:
            if len(row) == width:
                row[one], row[other] = row[other], row[one]
        path.write_bytes(b"\n".join(mark.join(row) for row in table))


def change_lines(rng: random.Random, root: Path) -> None:
    """Delete, repeat or add lines, or lose the first."""
    if path := _text_file(rng, root):
        lines = path.read_bytes().splitlines(keepends=True)
        place = rng.randrange(len(lines) + 1)
        change = rng.choice(("delete", "first", "repeat", "blank", "text"))
        if change == "delete":
            del lines[place : place + 1]
        elif change == "first":
            del lines[:1]
        else:
            added = {"repeat": lines[place - 1 : place], "blank": [b"\n"], "text": [b"# a comment, with a comma\n"]}
            lines[place:place] = added[change]
        path.write_bytes(b"".join(lines))


DAMAGES = (
    truncate,
    flip_bytes,
    delete_bytes,
    replace_content,
    delete_files,
    delete_folder,
    rename_folder,
    rename_file,
    change_suffix,
    duplicate_file,
    encode,
    change_line_ends,
    change_delimiter,
    swap_columns,
    change_lines,
)


def damage(rng: random.Random, root: Path) -> list[str]:
    """Apply one to three kinds of damage, and return their names."""
    applied = []
    for function in rng.choices(DAMAGES, k=rng.choice((1, 1, 1, 2, 3))):
        if files(root):
            function(rng, root)
            applied.append(function.__name__)
    return applied


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_dir())


def _text_file(rng: random.Random, root: Path) -> Path | None:
    texts = [path for path in files(root) if is_text(path)]
    return rng.choice(texts) if texts else None


def _rename(path: Path, target: Path) -> None:
    if not target.exists():
        path.rename(target)
