"""The file that a new architecture begins as. Imports no Keras."""

from __future__ import annotations

import ast
import keyword
from pathlib import Path

from fer_bench.core.errors import UserError, write_error
from fer_bench.registry.architectures import ARCHITECTURES, ARCHITECTURES_DIR

TEMPLATE = '''"""NAME: one function, from raw pixels to logits. CONTRIBUTING.md says what else its decorator takes."""

from keras import layers

from architectures.layers import classifier, conv_block, scaled
from fer_bench.registry.architectures import register_architecture


@register_architecture(
    "NAME",  # its name on the command line and on the leaderboard
    family="NAME",  # of what building blocks it is made; a family stands in one file
    input_sizes=(32, 48, 64),  # pixels a side that `check` builds it at; the first is the smallest it works at
    num_parameters=94_247,  # for 7 classes; `check` says the number after a change
    recipe={"epochs": 20, "dropout": 0.3},  # where it departs from the base recipe, fer_bench/config/recipe.py
)
def NAME(inputs, recipe):
    """Three blocks of convolutions, global average pooling, one dense layer."""
    # Raw grey pixels in [0, 255], (batch, height, width, 1), to [-1, 1] at the recipe's input size.
    x = scaled(inputs, recipe)
    # Blocks of architectures/layers.py, or any layers of Keras; a layer of your own is registered with
    # @keras.saving.register_keras_serializable(package="NAME"), so that saved models find it.
    for filters in (32, 64, 128):
        x = conv_block(x, filters)
    x = layers.GlobalAveragePooling2D()(x)
    # The recipe's dropout, and float32 logits (batch, recipe.classes) without a softmax.
    return classifier(x, recipe)
'''


def write_architecture(name: str, folder: Path) -> Path:
    """Write a small, working architecture of that name into a folder; the file.

    UserError for a name that cannot be a function's, that is taken or that means something else, for a folder that is
    not there and for a file that is.
    """
    _validate_name(name)
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: make it first, or name another with --folder.")
    file = folder / f"{name}.py"
    try:
        with open(file, "x", encoding="utf-8") as opened:
            opened.write(TEMPLATE.replace("NAME", name))
    except FileExistsError:
        raise UserError(f"{file} is there already: nothing was written.") from None
    except OSError as error:
        raise write_error(file, error) from None
    return file


def next_steps(name: str, file: Path) -> str:
    """What to do with a new file."""
    outside = "" if file.resolve().parent == ARCHITECTURES_DIR else f" --extra-architectures {file}"
    commands = [
        (f"check {name}{outside}", "holds it against the contract; it passes as it stands"),
        (f"train --model {name} --dataset synthetic --epochs 3{outside}", "a minute on drawn faces"),
        (f"--models {name},cnn{outside}", "beside another, on real data where there is some"),
    ]
    lines = [f"Written: {file}. Edit it, then:"]
    lines += [f"  python benchmark.py {command}\n      {why}" for command, why in commands]
    return "\n".join(lines)


def _validate_name(name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or not name.isascii():
        raise UserError(f"'{name}' cannot be the name of a function: use letters, digits and _, such as my_net.")
    if name in ARCHITECTURES:
        raise UserError(f"The architecture '{name}' is there already: {ARCHITECTURES.get(name).file}.")
    if name == "all" or name in _template_names():
        raise UserError(f"'{name}' means something else here: choose another name.")


def _template_names() -> set[str]:
    nodes = list(ast.walk(ast.parse(TEMPLATE)))
    imported = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    return (
        {n.id for n in nodes if isinstance(n, ast.Name)} | {a.arg for a in nodes if isinstance(a, ast.arg)} | imported
    )
