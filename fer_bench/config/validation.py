"""Validate a mapping, such as a YAML file, against a pydantic model; the first problem becomes one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fer_bench.core.errors import UserError
from fer_bench.core.text import did_you_mean

Model = TypeVar("Model", bound=BaseModel)
UNION_ALTERNATIVE = re.compile(r"constrained-|(?:tuple|literal)\[")  # pydantic's names in the location of an error


def validate(model: type[Model], content: Mapping[str, Any], source: object) -> Model:
    """Return a model from keys and values. Raise UserError, which names the source, if one is invalid."""
    try:
        return model.model_validate(dict(content))
    except ValidationError as error:
        raise UserError(f"{source}: {_first_problem(error, model)}") from None


def _first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first problem as one sentence; for an unknown key with the nearest keys of the model."""
    errors = error.errors()
    # The deepest error is that of the alternative of a union that was meant.
    first = max((e for e in errors if e["loc"][:1] == errors[0]["loc"][:1]), key=lambda e: len(e["loc"]))
    key = ".".join(str(part) for part in first["loc"] if not UNION_ALTERNATIVE.match(str(part)))
    if first["type"] == "extra_forbidden":
        return f"unknown key '{key}'. {did_you_mean(key, _key_names(model))}"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if first["type"] != "value_error":
        return f"{key} {message} (given: {first['input']!r})."
    names = [part for part in first["loc"] if isinstance(part, str)]
    text = message if not names or names[-1] in message else f"{key}: {message}"
    return text if text.endswith(("?", ".")) else f"{text}."


def _key_names(model: type[BaseModel]) -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        keys.append(name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys.extend(f"{name}.{key}" for key in _key_names(field.annotation))
    return keys
