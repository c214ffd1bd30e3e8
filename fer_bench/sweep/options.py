"""How a sweep runs its trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from fer_bench.core.errors import UserError

KeepModels = Literal["best", "all", "none"]


@dataclass(frozen=True)
class SweepOptions:
    """Options of a sweep. They decide how and where trials run, and never change a result.

    Attributes:
        backend: Keras backend: "tensorflow", "jax" or "torch".
        overwrite: Run trials again that are recorded already.
        retry_failed: Run trials again that are recorded as failed.
        keep_models: Which trained models are kept beside their records: per leaderboard row the one of the seed and
            fold with the best validation accuracy, all, or none but those that other trials start from.
        fail_fast: Stop at the first trial that fails or diverges.
        executor: Run trials in worker processes, in this process (for debuggers), or on a Ray cluster.
        ray_address: Address of a Ray cluster; None starts one on this machine.
        cpus_per_trial: Cores per trial on Ray; None takes all cores of the smallest node.
        jobs: Number of concurrent trials. None: one per accelerator; without accelerators as many as this machine
            was measured to train faster.
        devices_per_trial: Number of GPUs that share the batches of one trial (JAX).
        budget: Seconds that the whole sweep may take; None for no limit.
        trial_timeout: Seconds that a trial may take; None for no limit.
        stall_timeout: Seconds that a trial may take for one step; None for no limit.
        trackers: Names of the trackers to which trials are logged.
    """

    backend: str = "tensorflow"
    overwrite: bool = False
    retry_failed: bool = False
    keep_models: KeepModels = "best"
    fail_fast: bool = False
    executor: Literal["processes", "in-process", "ray"] = "processes"
    ray_address: str | None = None
    cpus_per_trial: int | None = None
    jobs: int | None = None
    devices_per_trial: int = 1
    budget: float | None = None
    trial_timeout: float | None = None
    stall_timeout: float | None = 1800.0
    trackers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.keep_models not in get_args(KeepModels):
            raise UserError(f"keep_models must be {', '.join(get_args(KeepModels))}, not {self.keep_models!r}.")
