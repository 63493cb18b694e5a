"""The decoder key, its attributes, and the sections of a key change that wait for each other."""

from __future__ import annotations

from dataclasses import replace

from joy311.instant import MINUTE_NS
from joy311.sts import (
    BaseDate,
    DecoderKey,
    KeyAttributes,
    KeyChange,
    KeyChangeSection,
    KeyType,
    TokenResult,
    Undecodable,
    assemble_key_change,
    is_in_range,
    key_change_permitted,
    missing_sections,
    section_number,
)

STAGING_NS = 10 * MINUTE_NS
"""Time within which the sections of a key change must all be entered, from the first on [ns]."""

UNKNOWN_SUPPLY_GROUP = "000000"
"""The supply group code that can be read after a set of tokens that did not say it."""

_NEXT_BASE_DATE = {
    BaseDate.BDT_1993: BaseDate.BDT_2014,
    BaseDate.BDT_2014: BaseDate.BDT_2035,
    BaseDate.BDT_2035: BaseDate.BDT_2035,
}


class KeyStore:
    """Holds the key in use and collects the sections of the next one.

    Parameters
    ----------
    attributes : KeyAttributes
        Of the key in use.
    key : DecoderKey
        The key in use.
    """

    __slots__ = ("_deadline_ns", "_sections", "attributes", "key")

    def __init__(self, attributes: KeyAttributes, key: DecoderKey) -> None:
        self.attributes = attributes
        self.key = key
        self._sections: dict[int, KeyChangeSection] = {}
        self._deadline_ns: int | None = None

    @property
    def deadline_ns(self) -> int | None:
        """When staged sections are forgotten [ns], None while there are none."""
        return self._deadline_ns

    @property
    def staged(self) -> tuple[int, ...]:
        """The numbers of the sections that wait for the others."""
        return tuple(sorted(self._sections))

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the sections that are still needed."""
        return tuple(
            sorted(missing_sections(tuple(self._sections.values()), self.attributes.encryption_algorithm))
        )

    @property
    def staging(self) -> tuple[tuple[KeyChangeSection, ...], int | None]:
        """The staged sections and their deadline, to be put back by whoever must undo an entry."""
        return tuple(self._sections.values()), self._deadline_ns

    @staging.setter
    def staging(self, staging: tuple[tuple[KeyChangeSection, ...], int | None]) -> None:
        sections, self._deadline_ns = staging
        self._sections = {section_number(section): section for section in sections}

    def expire(self, now: int) -> bool:
        """Forget sections that waited too long, and return whether there were any."""
        if self._deadline_ns is None or now < self._deadline_ns:
            return False
        self.forget()
        return True

    def forget(self) -> None:
        """Forget all staged sections."""
        self._sections.clear()
        self._deadline_ns = None

    def stage(self, section: KeyChangeSection, now: int) -> TokenResult | KeyChange:
        """Take a section and return its result, or the change once it is complete and permitted.

        A section entered again replaces its copy. A complete set that is not permitted is forgotten whole.

        Parameters
        ----------
        section : KeyChangeSection
            Decrypted with the key in use, its CRC right.
        now : int
            The instant [ns].
        """
        self.expire(now)
        if not is_in_range(section):
            return TokenResult.RANGE_ERROR
        number = section_number(section)
        # The later copy counts, so it goes to the end.
        self._sections.pop(number, None)
        self._sections[number] = section
        if self._deadline_ns is None:
            self._deadline_ns = now + STAGING_NS
        if self.missing:
            return TokenResult.FIRST_KCT if number == 1 else TokenResult.SECOND_KCT
        change = assemble_key_change(tuple(self._sections.values()), self.attributes.encryption_algorithm)
        self.forget()
        if isinstance(change, Undecodable):
            return change.result
        # A roll-over with the key unchanged would make every spent token good again.
        if change.key_type is KeyType.DCTK or (change.roll_over and change.new_key == self.key):
            return TokenResult.KEY_TYPE_ERROR
        if not key_change_permitted(self.attributes.key_type, change.key_type):
            return TokenResult.KEY_TYPE_ERROR
        return change

    def change(self, change: KeyChange) -> None:
        """Put the new key in the place of the old one."""
        attributes = self.attributes
        self.attributes = replace(
            attributes,
            key_type=change.key_type,
            key_revision=change.key_revision,
            tariff_index=change.tariff_index,
            key_expiry=change.key_expiry,
            supply_group_code=change.supply_group_code or UNKNOWN_SUPPLY_GROUP,
            base_date=_NEXT_BASE_DATE[attributes.base_date] if change.roll_over else attributes.base_date,
        )
        self.key = change.new_key
