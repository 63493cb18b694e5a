"""The vending keys of several supply groups, found by what a meter's row says of its key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from joy311.errors import InvalidInput
from joy311.sts.attributes import KeyAttributes
from joy311.sts.key_document import ATTRIBUTE_NAMES, attribute_texts, parse_attributes
from joy311.sts.keys import VendingKey

SELECTING_NAMES = ("supply_group_code", "key_revision", "key_type", "base_date", "dkga")
"""The attributes that tell one vending key from another."""

LARGEST_RING = 10_000
"""Most keys that one text may hold."""

_ANY = {
    "meter_pan": "600727000000000009",
    "key_type": "2",
    "supply_group_code": "000000",
    "tariff_index": "00",
    "key_revision": "1",
    "base_date": "2014",
    "ea": "7",
    "dkga": "4",
}
"""Attributes that go together, so that one of them can be read alone."""


@dataclass(frozen=True, slots=True)
class RingKey:
    """A vending key and what its document says of it.

    Parameters
    ----------
    vending_key : VendingKey
        Redacted in `repr`.
    texts : dict of str to str
        Attributes as `attribute_texts` gives them: all of `SELECTING_NAMES`, perhaps ``ea``,
        ``tariff_index`` and ``key_expiry``.
    """

    vending_key: VendingKey
    texts: Mapping[str, str]

    def attributes(self, said: Mapping[str, str]) -> KeyAttributes:
        """Return what `said` and the document make together, for a meter that stands for all.

        Parameters
        ----------
        said : mapping of str to str
            Attributes that a row names, by their names in `ATTRIBUTE_NAMES`; they go before the document's.

        Raises
        ------
        InvalidInput
            If they do not go together, or nobody says the encryption algorithm.
        """
        known = {"tariff_index": _ANY["tariff_index"], **self.texts, **said}
        if "ea" not in known:
            raise InvalidInput("neither the row nor its key says the encryption algorithm (ea)", field="ea")
        return parse_attributes({**known, "meter_pan": _ANY["meter_pan"]})


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Vending keys, of which no two are for the same.

    Parameters
    ----------
    keys : tuple of RingKey
        At least one.
    """

    keys: tuple[RingKey, ...]

    def find(self, said: Mapping[str, str]) -> RingKey:
        """Return the one key that fits all that `said` says of it.

        Parameters
        ----------
        said : mapping of str to str
            Any of `SELECTING_NAMES`, as `read_attribute` returns them.

        Raises
        ------
        InvalidInput
            If no key fits, or more than one.
        """
        asked = {name: said[name] for name in SELECTING_NAMES if name in said}
        fitting = [key for key in self.keys if all(key.texts[name] == asked[name] for name in asked)]
        if len(fitting) == 1:
            return fitting[0]
        wanted = (
            ", ".join(f"{name} {text}" for name, text in asked.items()) or "a row that says nothing of it"
        )
        many = f"{len(fitting)} keys fit" if fitting else "no key fits"
        raise InvalidInput(f"{many} {wanted}", field="key")


@lru_cache(maxsize=1024)
def read_attribute(name: str, text: str) -> str:
    """Return an attribute in the one spelling that keys are compared by.

    Parameters
    ----------
    name : str
        One of `ATTRIBUTE_NAMES`.
    text : str
        Its value by number or, where it has one, by name.

    Raises
    ------
    InvalidInput
        If the text is no value of this attribute.

    Examples
    --------
    >>> read_attribute("key_type", "dutk")
    '2'
    """
    return attribute_texts(parse_attributes(_ANY | {name: text}))[name]


def parse_key_ring(text: str) -> KeyRing:
    """Return the keys in `text`: a JSON object with a vending key and its attributes, or several, one a line.

    Each has ``vending_key`` (16 hexadecimal digits for DKGA02 or 40 for DKGA04), ``supply_group_code``,
    ``key_revision``, ``key_type`` and ``base_date``, perhaps ``ea``, ``dkga``, ``tariff_index`` and
    ``key_expiry``; other names are passed over.

    Raises
    ------
    InvalidInput
        If it is anything else, or two keys are for the same; no message repeats any of the text.
    """
    documents = _documents(text)
    if len(documents) > LARGEST_RING:
        raise InvalidInput(f"a key file has at most {LARGEST_RING} keys, not {len(documents)}", field="key")
    keys: dict[tuple[str, ...], RingKey] = {}
    for number, document in enumerate(documents, start=1):
        try:
            key = _ring_key(document)
        except InvalidInput as error:
            raise InvalidInput(f"key {number}: {error}", field=error.field) from None
        selecting = tuple(key.texts[name] for name in SELECTING_NAMES)
        if selecting in keys:
            raise InvalidInput(
                f"key {number}: another key is for supply group {selecting[0]}, revision {selecting[1]} too",
                field="supply_group_code",
            )
        keys[selecting] = key
    if not keys:
        raise InvalidInput("the key file holds no key", field="key")
    return KeyRing(tuple(keys.values()))


def _documents(text: str) -> list[object]:
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        pass
    documents = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            documents.append(json.loads(line))
        except (ValueError, RecursionError):
            # The cause would quote the key.
            raise InvalidInput(f"line {number} of the key file is not valid JSON", field="key") from None
    return documents


def _ring_key(document: object) -> RingKey:
    if not isinstance(document, dict):
        raise InvalidInput("not a JSON object", field="key")
    if not isinstance(hexadecimal := document.get("vending_key"), str):
        raise InvalidInput("there is no vending_key, as a text of hexadecimal digits", field="vending_key")
    try:
        raw = bytes.fromhex(hexadecimal)
    except ValueError:
        raise InvalidInput("the vending_key is not hexadecimal digits", field="vending_key") from None
    vending_key = VendingKey.from_bytes(raw)
    texts = {"dkga": str(int(vending_key.key_derivation))}
    for name in ATTRIBUTE_NAMES:
        value = document.get(name)
        if name == "meter_pan" or value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise InvalidInput(f"the {name} is neither a text nor an integer", field=name)
        read = read_attribute(name, str(value))
        if name == "dkga" and read != texts[name]:
            raise InvalidInput(
                f"a vending key of {len(raw)} bytes is for DKGA0{texts[name]}, not for {value}", field="dkga"
            )
        texts[name] = read
    if missing := [name for name in SELECTING_NAMES if name not in texts]:
        raise InvalidInput(f"the vending key lacks {', '.join(missing)}", field=missing[0])
    return RingKey(vending_key, texts)
