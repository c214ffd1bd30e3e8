"""Measure what each part of the recipe `fast` contributes: train without it, on FER2013, and compare.

    python benchmarks/ablation.py --data-dir DIR --output ablation.json

The measure is the time of training and validation until PublicTest (validation) first reaches a target. Other work on
the machine only makes epochs slower, so that write_tables.py computes the time from the number of epochs and the
fastest epoch of their kind, of all rows. The last row is the default recipe of `cnn`.

The same command resumes; rows that the output has already are not measured again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fer_bench.records.schema import Record

ROOT = Path(__file__).resolve().parent.parent
# `fast` as it was, with shifts: without them is better, and they were removed.
FAST = ["--models=cnn_fast", "--recipe=fast", "--seeds=3", "--set=augmentation.shift=0.05"]
ROWS: dict[str, list[str]] = {
    "fast with shifts of 5 %": FAST,
    "AdamW, learning rate 3e-3, instead of Muon": [
        *FAST,
        "--set=optimizer.name=adamw",
        "--set=optimizer.learning_rate=3e-3",
    ],
    "cosine schedule instead of one_cycle": [*FAST, "--set=schedule.name=cosine"],
    "random flips instead of alternating": [*FAST, "--set=augmentation.flip=0.5"],
    "no shifts, as in fast now": [*FAST, "--set=augmentation.shift=0"],
    "label smoothing 0.1": [*FAST, "--set=label_smoothing=0.1"],
    "first half of the epochs at 32 pixels": [*FAST, "--set=input_size=[[0,32],[0.5,46]]"],
    "no weight decay": [*FAST, "--set=optimizer.weight_decay=0"],
    "default recipe of cnn, one seed": ["--models=cnn", "--seeds=1"],
}


def measure(records: Sequence[Record]) -> dict[str, Any]:
    """Return accuracies by epoch, the kind of step of each epoch, and the seconds of the fastest epoch per kind.

    The records are trials that differ by their seed only.
    """
    from fer_bench.config.recipe import Recipe
    from fer_bench.config.stages import value_at

    trial = records[0].trial
    recipe = Recipe.model_validate(trial.recipe)
    kinds = [
        f"{trial.architecture}, {recipe.optimizer.name}, {value_at(recipe.stages, epoch).input_size} pixels"
        for epoch in range(1, max(len(record.history) for record in records) + 1)
    ]
    fastest = dict.fromkeys(kinds, float("inf"))
    for kind, epoch in (pair for record in records for pair in zip(kinds, record.history, strict=False)):
        fastest[kind] = min(fastest[kind], round(epoch.train_seconds + epoch.validation_seconds, 2))
    return {
        "validation_accuracies": [[round(e.validation_accuracy, 4) for e in record.history] for record in records],
        "kinds": kinds,
        "seconds_per_epoch": fastest,
    }


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--results-dir", type=click.Path(path_type=Path), default=Path("build/ablation"))
@click.option("--output", type=click.Path(path_type=Path), default=Path("ablation.json"))
def main(data_dir: Path, results_dir: Path, output: Path) -> None:
    """Measure what each part of the recipe `fast` contributes."""
    from fer_bench.records import store
    from fer_bench.training.machine import describe_machine

    found: dict[str, Any] = {"rows": []}
    if output.is_file():
        found = json.loads(output.read_text())
    known = {row["change"] for row in found["rows"]}
    for number, (change, flags) in enumerate(ROWS.items()):
        if change in known:
            continue
        command = [sys.executable, str(ROOT / "benchmark.py"), *flags, "--datasets=fer2013", f"--data-dir={data_dir}"]
        command += ["--exclusive", "--keep-models=none", f"--results-dir={results_dir / str(number)}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        stored = list(store.load(results_dir / str(number)))
        row = measure([one.record for one in stored])
        # With the recipe's test-time augmentation.
        row["accuracies"] = [round(one.predictions("validation").accuracy, 4) for one in stored]
        found["rows"].append({"change": change, "machine": describe_machine("tensorflow"), **row})
        found["rows"].sort(key=lambda row: list(ROWS).index(row["change"]))
        output.write_text(json.dumps(found, indent=1) + "\n")
        click.echo(json.dumps(row))


if __name__ == "__main__":
    main()
