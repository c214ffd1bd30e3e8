"""The registry of protocols: functions from a dataset and a seed to folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer_bench.core.errors import UserError
from fer_bench.registry.registry import Registry

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset
    from fer_bench.protocols.fold import Fold

# Splits are part of a protocol, not of a trial's luck: every seed of a sweep sees the same ones.
SPLIT_SEED = 0

CROSS_PREFIX = "cross:"
ARROW = "->"
FILE_PREFIX = "file:"

PROTOCOLS = Registry("protocol")
register_protocol = PROTOCOLS.register
PROTOCOLS.scan(Path(__file__).parent, package="fer_bench.protocols")


@dataclass(frozen=True)
class DataProtocol:
    """Data under a protocol. `data` is a dataset's name, or TRAIN->TEST for two of them."""

    data: str
    protocol: str


def folds(name: str, dataset: Dataset, seed: int) -> list[Fold]:
    """The folds of a dataset under a protocol, or those in the split file that `file:PATH` names.

    DoesNotFit, a UserError, where the protocol does not fit the dataset.
    """
    from fer_bench.protocols.fold import ProtocolNotApplicable

    if name.startswith(FILE_PREFIX):
        from fer_bench.protocols import split_file

        return split_file.read(Path(name.removeprefix(FILE_PREFIX)), dataset)
    if ARROW in dataset.name and _entry_name(name) != "cross":
        raise ProtocolNotApplicable(f"'{dataset.name}' is for the protocol cross, not for {name}.")
    return list(PROTOCOLS.function(_entry_name(name))(dataset, seed))


def title(name: str) -> str:
    """What a trial and a table call a protocol: name, name@2 from its second version on, file:PROTOCOL@digest."""
    if name.startswith(FILE_PREFIX):
        from fer_bench.protocols import split_file

        return split_file.title(Path(name.removeprefix(FILE_PREFIX)))
    entry = PROTOCOLS.get(_entry_name(name))
    version = entry.options.get("version", 1)
    return entry.name if version == 1 else f"{entry.name}@{version}"


def expand_protocols(datasets: Sequence[str], protocols: Sequence[str]) -> list[DataProtocol]:
    """Each dataset under each protocol, each once; `cross:TRAIN->TEST` brings its own data.

    UserError for an unknown protocol, a cross without two datasets, a split file that is not there, and for nothing at
    all. Names of datasets are not looked up.
    """
    plain = [name for name in protocols if not name.startswith(CROSS_PREFIX)]
    for name in plain:
        if name.startswith(FILE_PREFIX):
            _check_file(name)
        else:
            _entry_name(name)
    found = [DataProtocol(data, protocol) for data in datasets for protocol in plain]
    found += [
        DataProtocol(ARROW.join(parse_cross(name.removeprefix(CROSS_PREFIX))), "cross") for name in protocols if name not in plain
    ]
    if not found:
        raise UserError("Name a dataset for the protocols, or two in one: 'cross:fer2013->jaffe'.")
    return list(dict.fromkeys(found))


def parse_cross(data: str) -> tuple[str, str]:
    """The two datasets of TRAIN->TEST. UserError where there are not two different ones."""
    train, arrow, test = (part.strip() for part in data.partition(ARROW))
    if arrow and train and test and train != test and ARROW not in test:
        return train, test
    quotes = " (in quotes: the shell takes > for itself)" if data.endswith("-") else ""
    raise UserError(f"'{CROSS_PREFIX}{data}' names no two datasets, as 'cross:fer2013->jaffe' does{quotes}.")


def source_datasets(data: str) -> tuple[str, ...]:
    """The names of the datasets that data is made of: one, or the two of TRAIN->TEST."""
    return parse_cross(data) if ARROW in data else (data,)


def _entry_name(name: str) -> str:
    """The registered name of `name` or `name@version`. UserError for another version than the present one."""
    name, at, version = name.partition("@")
    present = PROTOCOLS.get(name).options.get("version", 1)
    if at and version != str(present):
        raise UserError(f"The protocol '{name}' is at version {present}: there is no '{name}@{version}' here.")
    return name


def _check_file(name: str) -> None:
    path = Path(name.removeprefix(FILE_PREFIX))
    if not path.is_file():
        raise UserError(f"There is no split file {path}: `data split NAME --protocol P --output FILE` writes one.")
