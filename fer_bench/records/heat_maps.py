"""Where a model looks, mean over test images of each class: heat_maps.json beside its record."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from fer_bench.core.files import write_output
from fer_bench.records.schema import FrozenModel, describe_validation_error

HEAT_MAPS_FILE = "heat_maps.json"
HEAT_MAPS_FIGURE = "heat_maps.png"


class HeatMaps(FrozenModel):
    """Mean heat maps of a model.

    Attributes:
        model: Title of the model.
        dataset: Name of the dataset.
        protocol: Name of the protocol, whose test images are explained.
        key: Key of the trial; None for a model without a record.
        method: "grad-cam" or "occlusion".
        classes: The classes, in the order of the model.
        num_images: Number of images of each class.
        maps: For each class, rows of values from 0 to 1; empty if it has no image.
        deletion_marked: Mean fall of the probability if the fifth of the pixels is deleted that the map marks most.
        deletion_random: The same if the same shape is deleted at a random place.
    """

    model: str
    dataset: str
    protocol: str
    key: str | None = None
    method: str
    classes: list[str]
    num_images: list[int]
    maps: list[list[list[float]]]
    deletion_marked: float
    deletion_random: float


def write(file: Path, heat_maps: HeatMaps) -> None:
    """Write heat maps. UserError if that fails."""
    write_output(file, heat_maps.model_dump_json() + "\n")


def read(folder: Path) -> HeatMaps | None:
    """Return the heat maps in the folder of a record; None if there are none.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        return HeatMaps.model_validate_json((folder / HEAT_MAPS_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ValueError(f"{HEAT_MAPS_FILE}: {describe_validation_error(error)}") from None
    except OSError as error:
        raise ValueError(f"{HEAT_MAPS_FILE} cannot be read ({type(error).__name__})") from None
