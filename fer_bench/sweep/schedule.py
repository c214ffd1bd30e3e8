"""Decide in which order trials run, in which processes, and how many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_bench.core.backend import import_keras
from fer_bench.core.errors import UserError
from fer_bench.records.schema import Record
from fer_bench.sweep.estimate import Estimator
from fer_bench.sweep.executors.executor import Executor, TimeLimits
from fer_bench.sweep.executors.in_process import run_in_process
from fer_bench.sweep.executors.processes import ProcessExecutor
from fer_bench.sweep.executors.ray_cluster import RayExecutor
from fer_bench.sweep.executors.resources import ResourceSlot, available_cores, split_resources, visible_devices
from fer_bench.sweep.executors.worker_handle import WorkerHandle, stop_workers
from fer_bench.sweep.options import SweepOptions
from fer_bench.sweep.parallelism import ParallelThenSerial, measure_speedups, order_by_speedup
from fer_bench.sweep.plan import check_importable
from fer_bench.training.machine import describe_machine
from fer_bench.training.planned_trial import PlannedTrial

MEMORY_PER_TRIAL_BYTES = 2 * 2**30  # what the larger ones of the small networks need


@dataclass(frozen=True)
class ExecutionContext:
    """What trials run on.

    Attributes:
        machine: The machine, as `describe_machine` returns it.
        estimator: Expected seconds per trial on it.
        idle: A worker process in which Keras has started; None if trials run in this process.
    """

    machine: dict[str, Any]
    estimator: Estimator
    idle: WorkerHandle | None

    def close(self) -> None:
        """End the idle worker."""
        if self.idle:
            stop_workers([self.idle])


@dataclass(frozen=True)
class Schedule:
    """Trials in the order in which they start, and what runs them.

    Attributes:
        trials: The trials.
        executor: Runs them.
        concurrency: Number of concurrent trials.
        slowdown: How much longer each trial is expected to take than alone.
    """

    trials: list[PlannedTrial]
    executor: Executor
    concurrency: int = 1
    slowdown: float = 1.0


def probe_machine(trials: Sequence[PlannedTrial], known: Iterable[Record], options: SweepOptions) -> ExecutionContext:
    """Start Keras, in a worker process unless trials run in this one, and describe the machine.

    Args:
        trials: The trials of a sweep.
        known: Records from which the estimator learns speeds.
        options: Options of the sweep.

    Raises:
        UserError: The trials cannot run here.
    """
    _check_device_sharing(trials, options)
    idle = None
    if options.executor == "in-process":
        import_keras(options.backend)
        check_importable({planned.trial.architecture for planned in trials})
        machine = describe_machine(options.backend)
    else:
        idle = WorkerHandle(ResourceSlot(frozenset(available_cores())))
        machine = idle.probe(options.backend, trials)
    count, available = options.devices_per_trial, len(visible_devices(machine["accelerator"]))
    if options.executor != "ray" and count > 1 and available < count:
        raise UserError(f"--devices-per-trial {count} needs {count} GPUs, but this machine has {available}.")
    return ExecutionContext(machine, Estimator(known, machine), idle)


def schedule_trials(
    trials: list[PlannedTrial],
    options: SweepOptions,
    context: ExecutionContext,
    cache_dir: Path,
    echo: Callable[[str], None],
) -> Schedule:
    """Return how trials are to run.

    Args:
        trials: Trials in the plan's order.
        options: Options of the sweep.
        context: What the trials run on.
        cache_dir: Folder in which measured speed-ups are remembered.
        echo: Prints a line for the user.
    """
    if options.executor == "in-process":
        return Schedule(trials, run_in_process)
    if options.executor == "ray":
        context.close()
        cluster = RayExecutor(
            options.ray_address, options.cpus_per_trial, options.devices_per_trial, _time_limits(options)
        )
        cluster.start()
        echo(f"Ray has capacity for {cluster.capacity} concurrent trials.")
        return Schedule(trials, cluster, cluster.capacity, cluster.trials_per_node)

    def make_executor(concurrency: int) -> ProcessExecutor:
        return make_process_executor(concurrency, options, context)

    devices = len(visible_devices(context.machine["accelerator"])) // options.devices_per_trial
    if options.jobs or len(trials) < 2:
        jobs = options.jobs or 1
        return Schedule(trials, make_executor(jobs), jobs, jobs / min(jobs, max(1, devices)))
    if devices:  # shared by time, not by cores
        return Schedule(trials, make_executor(devices), devices)
    memory = context.machine["memory_bytes"] or 0
    concurrency = min(len(available_cores()), max(1, memory // MEMORY_PER_TRIAL_BYTES))
    if concurrency == 1 or options.budget is not None:  # a budget keeps the plan's order
        return Schedule(trials, make_executor(1))
    speedups = measure_speedups(trials, concurrency, context.machine, context.estimator, cache_dir, echo, make_executor)
    ordered, num_parallel = order_by_speedup(trials, speedups)
    if not num_parallel:
        return Schedule(trials, make_executor(1))
    names = ", ".join(dict.fromkeys(planned.trial.architecture for planned in ordered[:num_parallel]))
    echo(f"{concurrency} concurrent trials, which is faster here: {names}. --exclusive runs them one by one.")
    executor = ParallelThenSerial(num_parallel, make_executor(concurrency), make_executor(1))
    return Schedule(ordered, executor, concurrency, concurrency)


def make_process_executor(concurrency: int, options: SweepOptions, context: ExecutionContext) -> ProcessExecutor:
    """Return an executor for a number of concurrent trials on this machine."""
    devices = visible_devices(context.machine["accelerator"])
    slots = split_resources(available_cores(), concurrency, devices, options.devices_per_trial)
    if context.idle and context.idle.slot not in slots:
        context.close()
    return ProcessExecutor(slots, _time_limits(options), context.idle)


def _time_limits(options: SweepOptions) -> TimeLimits:
    return TimeLimits(options.trial_timeout, options.stall_timeout)


def _check_device_sharing(trials: Iterable[PlannedTrial], options: SweepOptions) -> None:
    """Raise UserError if several devices cannot share the batches of a trial."""
    count = options.devices_per_trial
    if count == 1:
        return
    if options.executor == "in-process":
        raise UserError("--devices-per-trial needs worker processes, which --executor in-process does not start.")
    if options.backend != "jax":
        raise UserError("--devices-per-trial needs the JAX backend. Add --backend jax.")
    for planned in trials:
        batch = planned.trial.recipe["batch_size"]
        if batch % count:
            name = planned.trial.architecture
            raise UserError(f"{count} devices cannot share the batches of {name} evenly: {batch} images per batch.")
