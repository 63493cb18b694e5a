"""Dataclasses as plain values and back: what JSON and TOML hold, checked against the field's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from joy311.errors import InvalidInput

_T = TypeVar("_T")

_KIND_NAMES = {int: "a whole number", bool: "true or false", str: "a text"}


def to_plain(value: Any) -> Any:
    """Return `value` as tables, lists, texts, whole numbers, booleans and null.

    An enumeration is written by its name in lower case. What has its own ``to_mapping`` is asked for it.
    """
    if hasattr(value, "to_mapping"):
        return to_plain(value.to_mapping())
    if isinstance(value, Enum):
        return value.name.lower()
    if is_dataclass(value) and not isinstance(value, type):
        return fields_to_plain(value)
    if isinstance(value, frozenset):
        return [to_plain(part) for part in sorted(value)]
    if isinstance(value, (tuple, list)):
        return [to_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(key): to_plain(part) for key, part in value.items()}
    return value


def fields_to_plain(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as a table."""
    return {part.name: to_plain(getattr(value, part.name)) for part in fields(value)}


def from_plain(kind: type[_T], value: Any, path: str = "") -> _T:
    """Return the `kind` of dataclass that a table describes; what it leaves out keeps its default.

    Parameters
    ----------
    kind : type
        A dataclass.
    value : mapping
        Its fields by name.
    path : str
        Where the table stands, for messages.

    Raises
    ------
    InvalidInput
        If a name is unknown, a field is missing, or a value is of another type or outside its range.
    """
    where = path or "the document"
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where} is a table of names and values, not {value!r}", field=path or None)
    hints = _hints(kind)  # type: ignore[arg-type]
    for name in value:
        if name not in hints:
            raise InvalidInput(f"{where} has no {name!r}", field=_join(path, str(name)))
    taken = {name: _typed(hints[name], part, _join(path, name)) for name, part in value.items()}
    try:
        return kind(**taken)
    except InvalidInput as error:
        message = f"{path}: {error}" if path else str(error)
        raise InvalidInput(message, field=_join(path, error.field or "") or None) from None
    except TypeError:
        raise InvalidInput(f"{where} lacks a value that it must have", field=path or None) from None


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {part.name: hints[part.name] for part in fields(kind) if part.init}


def _typed(kind: Any, value: Any, path: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _optional(kind, value, path)
    if hasattr(kind, "from_mapping") and isinstance(value, Mapping):
        return kind.from_mapping(value)
    if isinstance(kind, type) and is_dataclass(kind):
        return from_plain(kind, value, path)
    if origin in (tuple, frozenset):
        return _sequence(kind, value, path)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _member(kind, value, path)
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if kind in _KIND_NAMES and right:
        return value
    raise InvalidInput(f"{path} of {value!r} is not {_KIND_NAMES.get(kind, 'of its type')}", field=path)


def _optional(kind: Any, value: Any, path: str) -> Any:
    choices = [part for part in get_args(kind) if part is not NoneType]
    if value is None and NoneType in get_args(kind):
        return None
    if len(choices) != 1:
        raise TypeError(f"{kind} has no plain form")
    return _typed(choices[0], value, path)


def _member(kind: type[Enum], value: Any, path: str) -> Enum:
    members = {member.name.lower(): member for member in kind}
    if not isinstance(value, str) or value.lower() not in members:
        raise InvalidInput(f"{path} of {value!r} is none of {', '.join(members)}", field=path)
    return members[value.lower()]


def _sequence(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise InvalidInput(f"{path} of {value!r} is not a list", field=path)
    inner = get_args(kind)
    if get_origin(kind) is frozenset:
        return frozenset(_typed(inner[0], each, path) for each in value)
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(_typed(inner[0], each, path) for each in value)
    if len(value) != len(inner):
        raise InvalidInput(f"{path} has {len(value)} values, and must have {len(inner)}", field=path)
    return tuple(_typed(part, each, path) for part, each in zip(inner, value, strict=True))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name
