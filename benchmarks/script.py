"""Compare a sweep with a script as student projects write it, from the CSV file to the result, in turns.

    python benchmarks/script.py --data-dir DIR --output script.json

- Equal epochs: `student_script.py`, whose network is `cnn`, and a sweep of `cnn`, in float32 and with
  `precision: auto`.
- Equal accuracy: the seconds until the script first reaches a validation accuracy, and those of the whole command
  `--models cnn_fast --recipe fast`, which reaches it too. The script is stopped at --limit times the command's seconds.

Each runs in a process of its own without other work, with an empty cache. Measurements that the output has already are
not repeated.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = dict(os.environ)  # without the settings that fer_bench adds


def run_sweep(data_dir: Path, *flags: str) -> dict[str, Any]:
    """Return the seconds of a whole command and the best validation accuracy of its only trial."""
    from fer_bench.records import store

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "benchmark.py"), "--datasets=fer2013", f"--data-dir={data_dir}", *flags]
        start = time.perf_counter()
        subprocess.run(
            [*command, f"--results-dir={folder}"],
            check=True,
            stdout=subprocess.DEVNULL,
            env=ENVIRONMENT | {"FER_BENCH_CACHE": folder},
        )
        seconds = time.perf_counter() - start
        (stored,) = store.load(Path(folder))
    return {"seconds": seconds, "validation_accuracy": max(e.validation_accuracy for e in stored.record.history)}


def run_script(csv_file: Path, epochs: int, target: float = 1.0, limit: float = float("inf")) -> dict[str, Any]:
    """Return the seconds of the student's script until it ends, reaches a validation accuracy, or exceeds a limit."""
    command = [sys.executable, str(ROOT / "benchmarks" / "student_script.py"), str(csv_file), f"--epochs={epochs}"]
    start, rows, reached = time.perf_counter(), [], False
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdout
        for line in process.stdout:
            rows.append(json.loads(line))
            reached = rows[-1]["validation_accuracy"] >= target
            if reached or time.perf_counter() - start > limit:
                process.kill()
                break
    return {
        "seconds": time.perf_counter() - start,
        "epochs": len(rows),
        "validation_accuracy": max(row["validation_accuracy"] for row in rows),
        "reached": reached,
    }


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--epochs", default=2, help="For the comparison at equal epochs.")
@click.option("--target", default=0.62, help="Validation accuracy for the comparison at equal accuracy.")
@click.option("--limit", default=8.0, help="When the script is stopped, in multiples of the command's seconds.")
@click.option("--output", type=click.Path(path_type=Path), default="script.json")
def main(data_dir: Path, epochs: int, target: float, limit: float, output: Path) -> None:
    """Compare a sweep with a student's script."""
    from fer_bench.datasets import DataConfig, find
    from fer_bench.training.machine import describe_machine

    csv_file = find("fer2013", DataConfig(data_dir))
    if csv_file is None or csv_file.suffix != ".csv":
        raise click.ClickException(f"{data_dir} contains no fer2013.csv.")
    found: dict[str, Any] = {"machine": describe_machine("tensorflow"), "epochs": epochs, "target": target}
    if output.is_file():
        found = json.loads(output.read_text())
    cnn = (data_dir, "--models=cnn", f"--epochs={epochs}", "--exclusive")
    measurements = {
        "sweep": lambda: run_sweep(*cnn),
        "sweep_auto": lambda: run_sweep(*cnn, "--set=precision=auto"),
        "script": lambda: run_script(csv_file, epochs),
        "fast": lambda: run_sweep(data_dir, "--models=cnn_fast", "--recipe=fast", "--exclusive"),
        "script_to_target": lambda: run_script(csv_file, 1000, target, limit * found["fast"]["seconds"]),
    }
    for key, run in measurements.items():
        if key not in found:
            found[key] = run()
            output.write_text(json.dumps(found, indent=1) + "\n")
            click.echo(f"{key}: {json.dumps(found[key])}")
    for key, precision in {"sweep": "float32", "sweep_auto": "precision auto"}.items():
        ratio = found["script"]["seconds"] / found[key]["seconds"]
        click.echo(f"Equal epochs, {precision}: {ratio:.2f} times as fast.")
    least = "" if found["script_to_target"]["reached"] else "more than "
    ratio = found["script_to_target"]["seconds"] / found["fast"]["seconds"]
    click.echo(f"Equal accuracy, {target:.0%}: {least}{ratio:.1f} times as fast.")


if __name__ == "__main__":
    main()
