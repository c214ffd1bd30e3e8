"""Measure what each part of the recipe `fast` contributes: train without it, on FER2013, and compare.

    python benchmarks/ablation.py --data-dir DIR --output ablation.json

The measure is the time of training and validation until PublicTest (validation) first reaches each of --targets: the
median over the seeds, in which a run that misses the target counts as infinite. Other work on the machine only makes
epochs slower, so that the time is that of as many epochs as it took, each as long as the fastest epoch of the same row
and input size. The last row is the default recipe of `cnn`.

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
FAST = ["--models=cnn_fast", "--recipe=fast", "--seeds=3"]
ROWS: dict[str, list[str]] = {
    "fast": FAST,
    "AdamW, learning rate 3e-3, instead of Muon": [
        *FAST,
        "--set=optimizer.name=adamw",
        "--set=optimizer.learning_rate=3e-3",
    ],
    "cosine schedule instead of one_cycle": [*FAST, "--set=schedule.name=cosine"],
    "random flips instead of alternating": [*FAST, "--set=augmentation.flip=0.5"],
    "no shifts": [*FAST, "--set=augmentation.shift=0"],
    "label smoothing 0.1": [*FAST, "--set=label_smoothing=0.1"],
    "first half of the epochs at 32 pixels": [*FAST, "--set=input_size=[[0,32],[0.5,46]]"],
    "no weight decay": [*FAST, "--set=optimizer.weight_decay=0"],
    "default recipe of cnn, one seed": ["--models=cnn", "--seeds=1"],
}


def measure(records: Sequence[Record], targets: Sequence[float]) -> dict[str, Any]:
    """Return the accuracies of trials that differ by their seed, and the epochs and seconds to each target.

    None stands for a target that was missed.
    """
    from fer_bench.config.recipe import Recipe
    from fer_bench.config.stages import value_at
    from fer_bench.records.time_to_target import target_name

    stages = Recipe.model_validate(records[0].trial.recipe).stages
    num_epochs = max(len(record.history) for record in records)
    sizes = [value_at(stages, epoch).input_size for epoch in range(1, num_epochs + 1)]
    fastest: dict[int, float] = {}
    for record in records:
        for size, epoch in zip(sizes, record.history, strict=False):
            fastest[size] = min(epoch.train_seconds + epoch.validation_seconds, fastest.get(size, float("inf")))
    row: dict[str, Any] = {
        "validation_accuracies": [[round(e.validation_accuracy, 4) for e in record.history] for record in records],
        "seconds_per_epoch": {str(size): round(seconds, 2) for size, seconds in fastest.items()},
        "seconds": [sum(fastest[size] for size in sizes[: len(record.history)]) for record in records],
        "epochs_to_target": {},
        "seconds_to_target": {},
    }
    for target in targets:
        epochs = [
            next((n for n, accuracy in enumerate(accuracies, 1) if accuracy >= target), None)
            for accuracies in row["validation_accuracies"]
        ]
        row["epochs_to_target"][target_name(target)] = epochs
        row["seconds_to_target"][target_name(target)] = [n and sum(fastest[size] for size in sizes[:n]) for n in epochs]
    return row


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--targets", default="0.6,0.62", help="Validation accuracies, separated by commas.")
@click.option("--results-dir", type=click.Path(path_type=Path), default=Path("build/ablation"))
@click.option("--output", type=click.Path(path_type=Path), default=Path("ablation.json"))
def main(data_dir: Path, targets: str, results_dir: Path, output: Path) -> None:
    """Measure what each part of the recipe `fast` contributes."""
    from fer_bench.records import store
    from fer_bench.records.time_to_target import parse_targets
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
        records = [stored.record for stored in store.load(results_dir / str(number))]
        row = measure(records, parse_targets(targets))
        found["rows"].append({"change": change, "machine": describe_machine("tensorflow"), **row})
        output.write_text(json.dumps(found, indent=1) + "\n")
        click.echo(json.dumps(row))


if __name__ == "__main__":
    main()
