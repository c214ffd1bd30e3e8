"""Export every kept model of a results folder to every format, and compare it with Keras on all test images.

    python benchmark.py --models all --epochs 1 --data-dir DIR --results-dir RESULTS
    python benchmarks/exports.py --results-dir RESULTS --data-dir DIR --output exports.json

Each export is a record of RESULTS, too. The same command continues with what is missing in the output file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fer_bench.core.backend import choose_backend

choose_backend()
VERSIONS = (("keras", False), ("onnx", False), ("litert", False), ("onnx", True), ("litert", True))


def measure(stored: Any, file_format: str, int8: bool, data_dir: Path) -> dict[str, Any]:
    """Return the agreement with what Keras predicted after training, and the costs in the format's own runtime."""
    from fer_bench.core.errors import UserError
    from fer_bench.datasets import DataConfig
    from fer_bench.inference.export.export import export_record
    from fer_bench.inference.export.runtime import compare
    from fer_bench.records import store

    trial = stored.record.trial
    row = {"architecture": trial.architecture, "dataset": trial.dataset, "format": file_format + "-int8" * int8}
    try:
        exported = export_record(stored, file_format, DataConfig(data_dir), int8=int8)
    except UserError as error:
        return row | {"error": str(error)}
    results_dir, key = stored.path.parent.parent, exported.record.trial.key
    (found,) = [other for other in store.load(results_dir) if other.record.trial.key == key]
    agreement = compare(found.predictions("test").probabilities, stored.predictions("test").probabilities)
    costs = exported.record.costs
    assert costs and costs.model_bytes
    return row | {
        "images": agreement.num_images,
        "max_difference": agreement.max_difference,
        "same_labels": agreement.same_labels,
        "accuracy": exported.accuracy,
        "original_accuracy": exported.original_accuracy,
        "mebibytes": costs.model_bytes / 2**20,
        "latency_p50_seconds": costs.latency_p50_seconds,
        "latency_p95_seconds": costs.latency_p95_seconds,
        "images_per_second": costs.predict_images_per_second,
    }


@click.command()
@click.option("--results-dir", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--data-dir", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--output", type=click.Path(path_type=Path), default=Path("exports.json"))
def main(results_dir: Path, data_dir: Path, output: Path) -> None:
    """Export every kept model to every format."""
    from fer_bench.records import store
    from fer_bench.training.machine import describe_machine

    found: dict[str, Any] = {"machine": describe_machine("tensorflow"), "rows": []}
    if output.is_file():
        found = json.loads(output.read_text())
    rows = found["rows"]
    kept = [stored for stored in store.load(results_dir) if stored.model_file and stored.record.status == "finished"]
    for stored in sorted(kept, key=lambda stored: stored.record.trial.architecture):
        name = stored.record.trial.architecture
        for file_format, int8 in VERSIONS:
            version = file_format + "-int8" * int8
            if any((row["architecture"], row["format"]) == (name, version) for row in rows):
                continue
            rows.append(measure(stored, file_format, int8, data_dir))
            output.write_text(json.dumps(found, indent=1) + "\n")
            click.echo(json.dumps(rows[-1]))


if __name__ == "__main__":
    main()
