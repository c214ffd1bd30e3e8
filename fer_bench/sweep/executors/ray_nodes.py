"""The nodes of a Ray cluster: which are there, and how many trials each has room for."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence

Resources = Mapping[str, float]

PROBE_SECONDS = 60.0  # for a node to answer
CONNECT_SECONDS = 5.0


def alive(ray) -> list[Resources]:
    """The resources of each node that is there."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def share(nodes: Sequence[Resources], cores: int | None, devices: int) -> tuple[int, int]:
    """Cores and GPUs of a trial; nodes with GPUs decide where there are any."""
    with_devices = [node for node in nodes if node.get("GPU", 0) >= devices]
    if cores is None and with_devices:
        cores = min(int(node["CPU"] * devices / node["GPU"]) for node in with_devices)
    elif cores is None:
        cores = min(int(node["CPU"]) for node in nodes)
    return max(1, cores), devices if with_devices else 0


def fit(node: Resources, cores: int, devices: int) -> int:
    """How many trials a node has room for."""
    by_cores = int(node["CPU"] // cores)
    return min(by_cores, int(node.get("GPU", 0) // devices)) if devices else by_cores


def accepts(address: str) -> bool:
    """Whether somebody listens at an address, host:port."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS):
            return True
    except (OSError, ValueError):
        return False


def answers(ray, node: str) -> bool:
    """Whether a node still does what it is asked."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node, soft=False)
    asked = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(lambda: True).remote()
    try:
        return bool(ray.get(asked, timeout=PROBE_SECONDS))
    except (ray.exceptions.RayError, ray.exceptions.GetTimeoutError):
        return False
