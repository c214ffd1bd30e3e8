"""Measure what each part of the recipe `fast` contributes: train without it, on FER2013, and compare.

    python benchmarks/ablation.py --data-dir DIR --output ablation.json

The measure is the time of training and validation until PublicTest (validation) first reaches each of --targets: the
median over the seeds, in which a run that misses the target counts as infinite. Trials run one at a time on all cores.
The same command resumes.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
CHANGES: dict[str, list[str]] = {
    "fast": [],
    "AdamW, learning rate 3e-3, instead of Muon": ["optimizer.name=adamw", "optimizer.learning_rate=3e-3"],
    "cosine schedule instead of one_cycle": ["schedule.name=cosine"],
    "random flips instead of alternating": ["augmentation.flip=0.5"],
    "no shifts": ["augmentation.shift=0"],
    "label smoothing 0.1": ["label_smoothing=0.1"],
    "first half of the epochs at 32 pixels": ["input_size=[[0,32],[0.5,46]]"],
    "no weight decay": ["optimizer.weight_decay=0"],
}


def measure(change: str, folder: Path, targets: tuple[float, ...]) -> dict[str, Any]:
    """Return the validation accuracies and the times to target of the trials in a results folder."""
    from fer_bench.records import store
    from fer_bench.records.time_to_target import seconds_to_target, target_name

    records = [stored.record for stored in store.load(folder)]
    times = {target_name(target): [seconds_to_target(record, target) for record in records] for target in targets}
    return {
        "change": change,
        "accuracies": [max(epoch.validation_accuracy for epoch in record.history) for record in records],
        "seconds": [record.wall_clock_seconds for record in records],
        "seconds_to_target": {
            name: [seconds if math.isfinite(seconds) else None for seconds in values] for name, values in times.items()
        },
    }


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--model", default="cnn_fast")
@click.option("--seeds", default=3)
@click.option("--targets", default="0.6,0.62", help="Validation accuracies, separated by commas.")
@click.option("--results-dir", type=click.Path(path_type=Path), default=Path("build/ablation"))
@click.option("--output", type=click.Path(path_type=Path), default=Path("ablation.json"))
def main(data_dir: Path, model: str, seeds: int, targets: str, results_dir: Path, output: Path) -> None:
    """Measure what each part of the recipe `fast` contributes."""
    from fer_bench.records.time_to_target import parse_targets
    from fer_bench.training.machine import describe_machine

    found: dict[str, Any] = {"machine": describe_machine("tensorflow"), "model": model, "rows": []}
    for number, (change, settings) in enumerate(CHANGES.items()):
        command = [sys.executable, str(ROOT / "benchmark.py"), f"--models={model}", "--recipe=fast", f"--seeds={seeds}"]
        command += ["--datasets=fer2013", f"--data-dir={data_dir}", "--exclusive", "--keep-models=none"]
        command += [f"--results-dir={results_dir / str(number)}", *(f"--set={setting}" for setting in settings)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found["rows"].append(measure(change, results_dir / str(number), parse_targets(targets)))
        output.write_text(json.dumps(found, indent=1) + "\n")
        click.echo(json.dumps(found["rows"][-1]))


if __name__ == "__main__":
    main()
