"""The part of a model card that shows how the model is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from fer_bench.core.text import list_first
from fer_bench.records.kept_models import ModelInfo
from fer_bench.records.schema import Record
from fer_bench.report.model_card_metadata import SEQUENCE_DIMENSIONS

MAX_LAYERS = 4  # custom layers that the card names


def how_to_load(
    file_name: str, info: ModelInfo, record: Record, custom_layers: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return paragraphs with code: fer-bench from Python and the command line, and the file's own library.

    Args:
        file_name: Name of the model file.
        info: What a user of the kept model must know.
        record: Its record.
        custom_layers: Names of its layers that Keras alone does not have, by module.
    """
    is_sequence = len(info.image_shape) == SEQUENCE_DIMENSIONS
    parts = [] if is_sequence else [_with_fer_bench(file_name)]
    if (views := str(record.trial.recipe.get("tta", "1"))) != "1":
        parts.append(f"The scores are those of several views per image (`{views}`); a file predicts a single one.")
    code = _CODE.get(PurePath(file_name).suffix)
    if code is None:
        return [*parts, "A SavedModel is loaded with `tf.saved_model.load` or `tensorflow.keras.layers.TFSMLayer`."]
    crop, shape = record.trial.recipe.get("crop"), info.image_shape
    size = (*shape[:-2], *((crop, crop) if crop else shape[-2:]))
    layers = [
        f"import {module}  # defines {list_first(names, MAX_LAYERS)}\n" for module, names in custom_layers.items()
    ]
    python = code.format(
        file=file_name,
        shape=", ".join(map(str, (1, *size, 1))),
        classes=record.classes,
        layers="".join(layers),
    )
    return [
        *parts,
        f"Without fer-bench{', except for the layers that it defines' if custom_layers else ''}:",
        _block(python),
    ]


def _with_fer_bench(file_name: str) -> str:
    python = (
        f'import fer_bench\n\nmodel = fer_bench.load_model("{file_name}")  # reads the description beside it\n'
        'model.predict("photographs")  # finds and crops the faces; a pandas frame\n'
        "model.predict_probabilities(faces)  # cropped gray faces (faces, height, width) uint8\n"
    )
    shell = f"fer-bench predict photographs --model-file {file_name}"
    return f"With fer-bench:\n\n{_block(python)}\n\n```\n{shell}\n```"


def _block(code: str) -> str:
    return f"```python\n{code}```"


_CLASSES = "classes = {classes}\n"
_PIXELS = 'pixels = np.zeros(({shape}), "float32")  # your face: gray, from 0 to 255\n'
_LABEL = "print(classes[int(np.argmax(logits[0]))])\n"
_CODE = {
    ".keras": (
        "{layers}import keras\nimport numpy as np\n\n"
        + _CLASSES
        + 'model = keras.saving.load_model("{file}", compile=False)\n'
        + _PIXELS
        + "logits = model.predict(pixels)\n"
        + _LABEL
    ),
    ".onnx": (
        "import numpy as np\nimport onnxruntime\n\n"
        + _CLASSES
        + 'session = onnxruntime.InferenceSession("{file}")\n'
        + _PIXELS
        + "(logits,) = session.run(None, {{session.get_inputs()[0].name: pixels}})\n"
        + _LABEL
    ),
    ".tflite": (
        "import numpy as np\nfrom ai_edge_litert.interpreter import Interpreter\n\n"
        + _CLASSES
        + 'run = Interpreter("{file}").get_signature_runner()\n'
        + _PIXELS
        + "(logits,) = run(**{{name: pixels for name in run.get_input_details()}}).values()\n"
        + _LABEL
    ),
}
