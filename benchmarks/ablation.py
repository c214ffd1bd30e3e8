"""Measure what each part of the recipe `fast` contributes: train without it, on FER2013, and compare.

    python benchmarks/ablation.py --data-dir DIR --output ablation.json

The measure is the time of training and validation until PublicTest (validation) first reaches each of --targets: the
median over the seeds, in which a run that misses the target counts as infinite. Trials run two at a time, so that their
seconds compare with each other and not with those of a trial that has the machine to itself. The same command resumes.
"""

from __future__ import annotations

import json
import statistics
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
    "no label smoothing": ["label_smoothing=0"],
    "first half of the epochs at 32 pixels": ["input_size=[[0,32],[0.5,46]]"],
    "no weight decay": ["optimizer.weight_decay=0"],
}


def measure(folder: Path, targets: list[float]) -> list[dict[str, Any]]:
    """Return one row per change from the records of its trials."""
    from fer_bench.records import store
    from fer_bench.records.time_to_target import seconds_to_target, target_name

    rows = []
    for number, change in enumerate(CHANGES):
        loaded = store.load(folder / str(number)) if (folder / str(number)).is_dir() else []
        records = [stored.record for stored in loaded if stored.record.status == "finished"]
        if not records:
            continue
        accuracies = [100 * max(epoch.validation_accuracy for epoch in record.history) for record in records]
        rows.append(
            {
                "change": change,
                "seeds": len(records),
                "accuracy": round(statistics.median(accuracies), 2),
                "accuracies": [round(accuracy, 2) for accuracy in accuracies],
                "seconds": round(statistics.median(record.costs.train_seconds for record in records if record.costs)),
                **{
                    f"seconds to {target_name(target)} %": [
                        round(seconds) if (seconds := seconds_to_target(record, target)) < float("inf") else None
                        for record in records
                    ]
                    for target in targets
                },
            }
        )
    return rows


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--model", default="cnn_fast")
@click.option("--seeds", default=3)
@click.option("--jobs", default=2, help="Concurrent trials.")
@click.option("--targets", default="0.6,0.62", help="Validation accuracies, separated by commas.")
@click.option("--results-dir", type=click.Path(path_type=Path), default=Path("build/ablation"))
@click.option("--output", type=click.Path(path_type=Path), default=Path("ablation.json"))
def main(data_dir: Path, model: str, seeds: int, jobs: int, targets: str, results_dir: Path, output: Path) -> None:
    """Measure what each part of the recipe `fast` contributes."""
    from fer_bench.records.time_to_target import parse_targets
    from fer_bench.training.machine import describe_machine

    for number, settings in enumerate(CHANGES.values()):
        command = [sys.executable, str(ROOT / "benchmark.py"), f"--models={model}", "--recipe=fast", f"--seeds={seeds}"]
        command += ["--datasets=fer2013", f"--data-dir={data_dir}", f"--jobs={jobs}", "--keep-models=none"]
        command += [f"--results-dir={results_dir / str(number)}", *(f"--set={setting}" for setting in settings)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rows = measure(results_dir, list(parse_targets(targets)))
        found = {"machine": describe_machine("tensorflow"), "model": model, "concurrent": jobs, "rows": rows}
        output.write_text(json.dumps(found, indent=1) + "\n")
        click.echo(json.dumps(rows[-1]))


if __name__ == "__main__":
    main()
