"""The model card of a kept or exported model: README.md, as the Hugging Face hub shows it (Mitchell et al., 2019)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import yaml

from fer_bench import __version__
from fer_bench.core.errors import UserError
from fer_bench.core.text import interval, one_line, percent, plural
from fer_bench.leaderboard.column import BADGE_SEPARATOR, WARNING_SEPARATOR, Values
from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.leaderboard.ranking import rank_by
from fer_bench.leaderboard.rows import LeaderboardRow
from fer_bench.protocols.registry import source_datasets
from fer_bench.records import Records, StoredRecord
from fer_bench.records.kept_models import ModelInfo
from fer_bench.registry.architectures import ARCHITECTURES, describe
from fer_bench.report.model_card_loading import how_to_load
from fer_bench.report.model_card_metadata import SEQUENCE_DIMENSIONS, metadata, training_data
from fer_bench.report.page.explain import images_text, protocol_text
from fer_bench.report.tables import markdown_table, records_of

LIMITS = """\
- The model recognizes the expression that a face shows in a picture. That is not what the person feels: people smile
  without joy and are angry without a frown (Barrett et al., "Emotional Expressions Reconsidered", 2019).
- Do not use it for decisions on persons, such as hiring, credit, education, policing or medical diagnosis.
- Labels of such datasets contain errors and disagreements, and their faces are a sample of a few sources: ages, skin
  colors, cultures, glasses, masks and poses that are rare there are recognized less well. Accuracy per group was not
  measured.
- The scores hold for faces like those of the test split. Other cameras, light, poses and crops lower them."""


@dataclass(frozen=True)
class CardModel:
    """A model with what its card says about it.

    Attributes:
        stored: The record whose test predictions are the model's: of its training, or of its export.
        info: What a user of the kept model must know.
        file_name: Name of the model file.
        sha256: SHA-256 of that file; empty for a folder.
        custom_layers: Names of its layers that Keras alone does not have, by module.
        same_row: The records that differ from it in seed and fold only, itself included.
    """

    stored: StoredRecord
    info: ModelInfo
    file_name: str
    sha256: str
    custom_layers: Mapping[str, Sequence[str]]
    same_row: Sequence[StoredRecord]


def render_card(model: CardModel) -> str:
    """Return README.md of a model. Raise UserError if its test predictions cannot be scored."""
    row, values, notes = _scored([model.stored])
    trial = model.stored.record.trial
    parts = [
        f"---\n{metadata(trial, values, model.file_name, model.info.image_shape)}---",
        f"# {trial.architecture}: facial expressions, trained on {training_data(trial)[0].title}",
        *_description(model),
        "## Training",
        *_training(model),
        "## Scores",
        *_scores(model, row, values, notes),
        "## Limits",
        _limits(model, values),
        "## License of the training data",
        _terms(model),
        "## How to load it",
        *how_to_load(model.file_name, model.info, model.stored.record, model.custom_layers),
        "## How to cite",
        *_citation(model),
    ]
    return "\n\n".join(parts) + "\n"


def _scored(stored: Sequence[StoredRecord]) -> tuple[LeaderboardRow, Values, list[str]]:
    """Return the leaderboard's row of some records of one row, its values with intervals, and notes on these."""
    leaderboard = compute_leaderboard(stored)
    if not any(row.seeds for row in leaderboard.rows.values()):
        reason = f" ({leaderboard.skipped[0][1]})" if leaderboard.skipped else ""
        raise UserError(f"The model in {stored[0].path} has no scores{reason}. Train it again with --overwrite.")
    known = Records({one.record.trial.key: one for one in stored})
    frame = rank_by(leaderboard, "macro_f1", known).frame
    (row,) = leaderboard.rows.values()
    notes = [note for note in leaderboard.section_notes(frame) if not note.startswith("One seed")]
    return row, records_of(frame)[0], notes


def _description(model: CardModel) -> list[str]:
    record = model.stored.record
    trial = record.trial
    summary = describe(trial.architecture).summary if trial.architecture in ARCHITECTURES else ""
    facts = [summary, f"Paper: {_paper(model)}." if _paper(model) else ""]
    parameters = f"{record.num_parameters:,} parameters" if record.num_parameters else ""
    lines = [
        f"**Architecture**: `{trial.architecture}`. {one_line(' '.join(facts))}".rstrip(),
        f"**Size**: {parameters}." if parameters else "",
        f"**Input**: {_input_text(model)}",
        f"**Output**: logits of {len(record.classes)} classes, in this order: {', '.join(record.classes)}.",
        f"**File**: `{model.file_name}`" + (f", SHA-256 `{model.sha256}`." if model.sha256 else "."),
    ]
    return [_bullets(filter(None, lines))]


def _paper(model: CardModel) -> str:
    name = model.stored.record.trial.architecture
    return describe(name).paper if name in ARCHITECTURES else ""


def _input_text(model: CardModel) -> str:
    shape, crop = model.info.image_shape, model.stored.record.trial.recipe.get("crop")
    height, width = shape[-2:]
    size = f"{crop}×{crop} pixels, the middle of a face of {height}×{width}" if crop else f"{height}×{width} pixels"
    kind = f"sequences of {shape[0]} gray faces" if len(shape) == SEQUENCE_DIMENSIONS else "gray faces"
    face_crop = source_datasets(model.info.dataset)[0].partition("~classes")[0].partition("~")[2]
    cropped = f"detected, aligned and cropped as `{face_crop}`" if face_crop else "cropped as in the dataset"
    return f"{kind} of {size}, {cropped}, as raw values from 0 to 255: scaling is a part of the model."


def _training(model: CardModel) -> list[str]:
    record = model.stored.record
    trial, versions = record.trial, record.machine.get("versions") or {}
    data = [f"**Dataset**: {d.title} (`{d.name}`). {d.description} {d.url}".rstrip() for d in training_data(trial)]
    best = f", the best of {len(record.history)} by validation accuracy" if record.history else ""
    lines = [
        *data,
        images_text([record]),
        f"**Protocol**: `{trial.protocol}`, fold {trial.fold}. {protocol_text(trial.protocol)}",
        f"**Recipe**: {trial.recipe_name}; all settings are below.",
        f"**Initial weights**: {trial.initial_weights}. **Seed**: {trial.seed}. **Epoch**: {record.best_epoch}{best}.",
        f"**Software**: fer-bench, {', '.join(f'{name} {version}' for name, version in sorted(versions.items()))}.",
    ]
    recipe = {name: value for name, value in trial.recipe.items() if name != "pretraining"}  # named above
    settings = yaml.safe_dump(recipe, sort_keys=False, default_flow_style=None, width=100)
    return [_bullets(lines), f"<details><summary>All settings</summary>\n\n```yaml\n{settings}```\n\n</details>"]


def _scores(model: CardModel, row: LeaderboardRow, values: Values, notes: Sequence[str]) -> list[str]:
    test = source_datasets(model.info.dataset)[-1]
    images = plural(row.seeds[0].test_images, "test image")
    lines = [
        ("accuracy", percent(values["accuracy"]), interval(values["accuracy_low"], values["accuracy_high"])),
        ("macro F1", percent(values["macro_f1"]), interval(values["macro_f1_low"], values["macro_f1_high"])),
    ]
    if not np.isnan(deduplicated := values.get("dedup_accuracy", float("nan"))):
        lines.append(("accuracy without images that have a duplicate in another split", percent(deduplicated), ""))
    parts = [
        f"In percent on {images} of {test}, predicted once, after every choice was made. {' '.join(notes)}",
        markdown_table([("score", "left"), ("value", "right"), ("95 % interval", "right")], lines),
        *_row_text(model),
    ]
    per_class = row.seeds[0].per_class
    classes = [
        (name, percent(recall) if images else "no images", percent(precision) if images else "", f"{int(images):,}")
        for name, recall, precision, images in zip(
            model.stored.record.classes, per_class.recall, per_class.precision, per_class.support, strict=True
        )
    ]
    headers = [("class", "left"), ("recall", "right"), ("precision", "right"), ("test images", "right")]
    return [*parts, markdown_table(headers, classes)]


def _row_text(model: CardModel) -> list[str]:
    """Return a sentence on all trials of the row; nothing if there is only one."""
    if len(model.same_row) == 1:
        return []
    row, values, _ = _scored(model.same_row)
    folds = f" and {len(row.folds)} folds" if len(row.folds) > 1 else ""
    return [
        f"The model is one of {plural(len(row.seeds), 'seed')}{folds}, chosen by validation accuracy. All of them "
        f"together: accuracy {percent(values['accuracy'], values['accuracy_sd'])}, "
        f"macro F1 {percent(values['macro_f1'], values['macro_f1_sd'])}."
    ]


def _limits(model: CardModel, values: Values) -> str:
    badges = cast(str, values["badges"]).split(BADGE_SEPARATOR)
    warnings = values.get("warnings")
    lines = [LIMITS, f"- What the leaderboard says about this model: {'; '.join(filter(None, badges))}."]
    if isinstance(warnings, str):
        lines += [f"- **Warning**: {sentence}" for sentence in warnings.split(WARNING_SEPARATOR)]
    return "\n".join(lines)


def _terms(model: CardModel) -> str:
    lines = [f"{data.title}: {data.terms} {data.url}" for data in training_data(model.stored.record.trial)]
    if model.stored.record.trial.initial_weights.startswith("imagenet"):
        lines.append("ImageNet (initial weights): for non-commercial research. https://image-net.org/download")
    rule = "The model is made from these images. Whether it may be published and used depends on their terms:"
    return f"{rule}\n\n{_bullets(lines)}"


def _citation(model: CardModel) -> list[str]:
    paper = f"the paper of the architecture ({_paper(model)}), " if _paper(model) else ""
    return [
        f"Cite {paper}the paper of the dataset (see Training), and fer-bench:",
        "```bibtex\n@software{fer_bench,\n  title = {fer-bench: a leaderboard for facial expression recognition},\n"
        f"  author = {{The fer-bench authors}},\n  version = {{{__version__}}}\n}}\n```",
    ]


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {one_line(line)}" for line in lines)
