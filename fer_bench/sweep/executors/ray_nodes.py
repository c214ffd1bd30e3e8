"""The nodes of a Ray cluster: which are alive, and for how many trials each has capacity."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any

Resources = Mapping[str, float]

PROBE_SECONDS = 60.0  # for a node to answer
CONNECT_SECONDS = 5.0


def alive_nodes(ray: Any) -> list[Resources]:
    """Return the resources of each node that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def resources_per_trial(nodes: Sequence[Resources], cores: int | None, devices: int) -> tuple[int, int]:
    """Return the cores and GPUs that each trial gets.

    Args:
        nodes: Resources of each node.
        cores: Requested cores per trial. None: a proportional share of a node with GPUs, or all cores of the smallest
            node if no node has GPUs.
        devices: Requested GPUs per trial.
    """
    with_devices = [node for node in nodes if node.get("GPU", 0) >= devices]
    if cores is None and with_devices:
        cores = min(int(node["CPU"] * devices / node["GPU"]) for node in with_devices)
    elif cores is None:
        cores = min(int(node["CPU"]) for node in nodes)
    return max(1, cores), devices if with_devices else 0


def trials_per_node(node: Resources, cores: int, devices: int) -> int:
    """Return for how many concurrent trials a node has capacity."""
    by_cores = int(node["CPU"] // cores)
    return min(by_cores, int(node.get("GPU", 0) // devices)) if devices else by_cores


def is_listening(address: str) -> bool:
    """Whether an address, host:port, accepts connections."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS):
            return True
    except (OSError, ValueError):
        return False


def is_responsive(ray: Any, node: str) -> bool:
    """Whether a node still runs tasks."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    on_node = NodeAffinitySchedulingStrategy(node, soft=False)
    reply = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=on_node)(lambda: True).remote()
    try:
        return bool(ray.get(reply, timeout=PROBE_SECONDS))
    except (ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
        return False
