"""How a sweep goes about its trials: in what order, where, and how many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fer_bench.core.errors import UserError
from fer_bench.records.schema import Record
from fer_bench.sweep.estimate import Estimator
from fer_bench.sweep.executors.executor import Executor
from fer_bench.sweep.executors.in_process import here
from fer_bench.sweep.executors.processes import Processes
from fer_bench.sweep.executors.ray_cluster import Cluster
from fer_bench.sweep.executors.resources import Share, available_cores, shares_of, visible_devices
from fer_bench.sweep.executors.worker_handle import Handle, Limits, end
from fer_bench.sweep.parallelism import Split, in_order, measured_gains
from fer_bench.sweep.plan import PlannedTrial, check_importable
from fer_bench.training.machine import describe_machine

MEMORY_OF_A_TRIAL = 2 * 2**30  # bytes; what the larger ones among small networks take


@dataclass(frozen=True)
class Manner:
    """How a sweep goes about what is to be run; nothing of it has a bearing on any outcome.

    jobs: trials at a time; None: one for each accelerator, or several of those that are measured to train faster so.
    """

    backend: str = "tensorflow"
    overwrite: bool = False
    retry_failed: bool = False
    keep_models: bool = False
    fail_fast: bool = False
    executor: Literal["processes", "here", "ray"] = "processes"
    ray_address: str | None = None
    cpus_per_trial: int | None = None  # on Ray
    jobs: int | None = None
    devices_per_trial: int = 1
    ends: float | None = None  # when its time is over, of the monotonic clock
    track: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Lineup:
    """The trials in the order they run, and who runs them.

    at_a_time, slowdown: how many at a time, and how much longer each is taken to last so than alone.
    """

    trials: list[PlannedTrial]
    executor: Executor
    at_a_time: int = 1
    slowdown: float = 1.0


@dataclass(frozen=True)
class Ground:
    """What trials will run on: the machine, how fast it is, and a process of it that has started Keras already."""

    machine: dict[str, Any]
    estimator: Estimator
    idle: Handle | None


def survey(
    missing: list[PlannedTrial], known: Iterable[Record], manner: Manner, import_keras: Callable[[], None]
) -> Ground:
    """Start Keras, in a process of its own unless trials run in this one. UserError for what cannot be trained here."""
    _refuse(missing, manner)
    idle = None
    if manner.executor == "here":
        import_keras()
        check_importable({planned.trial.architecture for planned in missing})
        machine = describe_machine(manner.backend)
    else:
        idle = Handle(Share(frozenset(available_cores())))
        machine = idle.survey(manner.backend, missing)
    there = len(visible_devices(machine["accelerator"]))
    if manner.executor != "ray" and manner.devices_per_trial > 1 and there < manner.devices_per_trial:
        raise UserError(f"--devices-per-trial {manner.devices_per_trial} needs as many GPUs, and here are {there}.")
    return Ground(machine, Estimator(known, machine), idle)


def in_turn(
    missing: list[PlannedTrial],
    manner: Manner,
    ground: Ground,
    cache_dir: Path,
    say: Callable[[str], None],
) -> Lineup:
    """How the missing trials are to be run."""
    if manner.executor == "here":
        return Lineup(missing, here)
    if manner.executor == "ray":
        end([ground.idle] if ground.idle else [])
        cluster = Cluster(manner.ray_address, manner.cpus_per_trial, manner.devices_per_trial, manner.limits)
        cluster.start()
        say(f"Ray has room for {cluster.room} of these trials at a time.")
        return Lineup(missing, cluster, cluster.room, cluster.beside)

    def processes(count: int) -> Processes:
        return processes_of(count, manner, ground)

    machine, estimator = ground.machine, ground.estimator
    devices = len(visible_devices(machine["accelerator"])) // manner.devices_per_trial
    if manner.jobs or len(missing) < 2:
        count = manner.jobs or 1
        return Lineup(missing, processes(count), count, count / min(count, max(1, devices)))
    if devices:  # which are shared out by time, not by cores
        return Lineup(missing, processes(devices), devices)
    memory = machine["memory_bytes"] or 0
    count = min(len(available_cores()), max(1, memory // MEMORY_OF_A_TRIAL))
    if count == 1 or manner.ends is not None:  # which keeps the plan's order
        return Lineup(missing, processes(1))
    gains = measured_gains(missing, count, machine, estimator, cache_dir, say, processes)
    ordered, together = in_order(missing, gains)
    if not together:
        return Lineup(missing, processes(1))
    names = ", ".join(dict.fromkeys(planned.trial.architecture for planned in ordered[:together]))
    say(f"{count} at a time, which is faster here: {names}. --exclusive runs and times them one by one.")
    return Lineup(ordered, Split(together, processes(count), processes(1)), count, count)


def processes_of(count: int, manner: Manner, ground: Ground) -> Processes:
    """An executor of so many trials at a time."""
    devices = visible_devices(ground.machine["accelerator"])
    shares = shares_of(available_cores(), count, devices, manner.devices_per_trial)
    if ground.idle and ground.idle.share not in shares:
        end([ground.idle])
    return Processes(shares, manner.limits, ground.idle)


def _refuse(missing: list[PlannedTrial], manner: Manner) -> None:
    """UserError for what several devices cannot share."""
    if manner.devices_per_trial == 1:
        return
    if manner.executor == "here":
        raise UserError("--devices-per-trial needs a process for each trial, and --executor here makes none.")
    if manner.backend != "jax":
        raise UserError("--devices-per-trial needs the JAX backend: --backend jax.")
    for planned in missing:
        batch = planned.trial.recipe["batch_size"]
        if batch % manner.devices_per_trial:
            name, count = planned.trial.architecture, manner.devices_per_trial
            raise UserError(f"The batches of {name}, {batch} images, cannot be shared evenly by {count} devices.")
