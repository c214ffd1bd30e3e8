"""The file that a new architecture starts from. Imports no Keras."""

from __future__ import annotations

import ast
import keyword
from pathlib import Path

from fer_bench.core.errors import UserError, write_error
from fer_bench.registry.architectures import ARCHITECTURES, ARCHITECTURES_DIR

TEMPLATE = '''"""NAME: one function, from raw pixels to logits. See CONTRIBUTING.md for all options of its decorator."""

from keras import layers

from fer_bench.layers import classification_head, conv_block, rescale_input
from fer_bench import register_architecture


@register_architecture(
    "NAME",  # its name on the command line and on the leaderboard
    family="NAME",  # its group of architectures with the same building blocks; one file per family
    input_sizes=(32, 48, 64),  # pixels per side that `check` builds it at; the first is the smallest possible
    num_parameters=94_247,  # for 7 classes; after a change `check` prints the new number
    recipe={"epochs": 20, "dropout": 0.3},  # overrides of the base recipe, fer_bench/config/recipe.py
)
def NAME(inputs, recipe):
    """Three blocks of convolutions, global average pooling, one dense layer."""
    # From raw gray pixels in [0, 255], (batch, height, width, 1), to [-1, 1] at the recipe's input size.
    x = rescale_input(inputs, recipe)
    # Blocks of fer_bench/layers.py, or any Keras layers. Register your own layers with
    # @keras.saving.register_keras_serializable(package="NAME"), so that saved models can be loaded.
    for filters in (32, 64, 128):
        x = conv_block(x, filters)
    x = layers.GlobalAveragePooling2D()(x)
    # The recipe's dropout, then float32 logits (batch, recipe.classes) without a softmax.
    return classification_head(x, recipe)
'''


def write_architecture(name: str, folder: Path) -> Path:
    """Write a small, working architecture to <folder>/<name>.py and return the file.

    Raise UserError if the name is invalid or taken, the folder does not exist or the file does.
    """
    _validate_name(name)
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}. Create it, or pass another one with --folder.")
    file = folder / f"{name}.py"
    try:
        with open(file, "x", encoding="utf-8") as opened:
            opened.write(TEMPLATE.replace("NAME", name))
    except FileExistsError:
        raise UserError(f"{file} exists already, so nothing was written. Choose another name.") from None
    except OSError as error:
        raise write_error(file, error) from None
    return file


def next_steps(name: str, file: Path) -> str:
    """Return what to do with a new file: one command per line, each with its purpose."""
    option = "" if file.resolve().parent == ARCHITECTURES_DIR else f" --extra-architectures {file}"
    commands = [
        (f"check {name}{option}", "check it against the contract; the unchanged file passes"),
        (f"train --model {name} --dataset synthetic --epochs 3{option}", "train it on drawn faces, in about a minute"),
        (f"--models {name},cnn{option}", "compare it with another architecture, on real data if you have some"),
    ]
    lines = [f"Written: {file}. Edit it, then run:"]
    lines += [f"  python benchmark.py {command}\n      {purpose}" for command, purpose in commands]
    return "\n".join(lines)


def _validate_name(name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or not name.isascii():
        raise UserError(f"'{name}' cannot name a Python function. Use letters, digits and _, such as my_net.")
    if name in ARCHITECTURES:
        raise UserError(f"The architecture '{name}' exists already in {ARCHITECTURES.get(name).file}.")
    if name == "all" or name in _template_names():
        raise UserError(f"'{name}' has another meaning here. Choose another name.")


def _template_names() -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(TEMPLATE)):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
    return names
