"""Token identifiers of one meter: strictly rising, never far ahead of the clock, never behind it.

A series belongs to a meter and a base date. It goes on across every key, supply group, tariff index, token
subclass and server, as the meter's memory of spent tokens survives a key change; only a roll-over to another
base date starts a new one. The store keeps one row per series and changes it with the sale it reserves::

    token_ids = allocate(series, now, count=len(quote.tokens))
    # write token_ids[-1] as the series' last one and the sale as reserved, commit; then ask for tokens
"""

from __future__ import annotations

from dataclasses import dataclass

from joy311.errors import InvalidInput, Refused
from joy311.instant import MINUTE_NS, to_iso
from joy311.sts import BaseDate, KeyAttributes, next_token_id, token_id_at

LARGEST_LEAD_MINUTES = 49
"""How far token identifiers may run ahead of the clock [min]; beyond it the meter has bought too often.

A meter remembers 50 identifiers and takes nothing below them. So one minute sells at most 50 tokens: the
newest, typed first, must not make the oldest too old.
"""

CLOCK_TOLERANCE_NS = 2 * MINUTE_NS
"""How far the clock may stand before the newest sale or off the database's [ns]; beyond it, it is wrong."""


@dataclass(frozen=True, slots=True)
class TokenSeries:
    """The identifiers that a meter was given under one base date.

    Parameters
    ----------
    drn : str
        The meter's decoder reference number.
    base_date : BaseDate
        What the identifiers count from.
    last_token_id : int or None
        The highest ordinary one given so far, also to tokens that were never made; None before the first.
    """

    drn: str
    base_date: BaseDate
    last_token_id: int | None

    def after(self, token_ids: tuple[int, ...]) -> TokenSeries:
        """Return the series once `token_ids` are given.

        Raises
        ------
        InvalidInput
            If they do not rise strictly from the last one.
        """
        last = self.last_token_id
        for token_id in token_ids:
            if last is not None and token_id <= last:
                raise InvalidInput(
                    f"token identifier {token_id} does not rise above {last} of meter {self.drn}",
                    field="token_id",
                )
            last = token_id
        return TokenSeries(self.drn, self.base_date, last)


def allocate(series: TokenSeries, now: int, *, count: int) -> tuple[int, ...]:
    """Return the identifiers of the meter's next `count` ordinary tokens, each above the one before.

    They follow each other minute by minute, but for the reserved minute of a day, which is left out.

    Parameters
    ----------
    series : TokenSeries
        What was given so far.
    now : int
        Instant [ns since 1970 UTC].
    count : int
        1..50.

    Raises
    ------
    InvalidInput
        If `count` is outside of that.
    Refused
        ``TokenIdentifiersEnded`` outside the base date; ``TokenIdentifiersAhead`` where the last of them
        would stand more than `LARGEST_LEAD_MINUTES` ahead of the clock.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= LARGEST_LEAD_MINUTES + 1:
        raise InvalidInput(
            f"{count!r} token identifiers are not 1 to {LARGEST_LEAD_MINUTES + 1}", field="count"
        )
    token_ids = []
    last = series.last_token_id
    try:
        for _ in range(count):
            last = next_token_id(now, series.base_date, last)
            token_ids.append(last)
        lead_minutes = token_ids[-1] - token_id_at(now, series.base_date)
    except InvalidInput as error:
        raise Refused("TokenIdentifiersEnded", str(error)) from None
    if lead_minutes > LARGEST_LEAD_MINUTES:
        raise Refused(
            "TokenIdentifiersAhead",
            f"meter {series.drn} bought so often that its next token would be {lead_minutes} minutes ahead "
            f"of the clock, at most {LARGEST_LEAD_MINUTES} are allowed: wait",
        )
    return tuple(token_ids)


def reserved_token_id(base_date: BaseDate, now: int) -> int:
    """Return the identifier of the day's reserved minute, for tokens made on purpose to exclude each other.

    It is outside of every series: two tokens of one day share it, and the meter takes one of them.

    Raises
    ------
    Refused
        ``TokenIdentifiersEnded`` outside the base date.
    """
    try:
        return token_id_at(now, base_date, special_reserved=True)
    except InvalidInput as error:
        raise Refused("TokenIdentifiersEnded", str(error)) from None


def begins_new_series(before: KeyAttributes, after: KeyAttributes) -> bool:
    """Return whether a key change from `before` to `after` is a roll-over, which empties the meter's memory.

    Raises
    ------
    InvalidInput
        If they are not of one meter.
    """
    if before.meter_pan != after.meter_pan:
        raise InvalidInput("the key attributes are of two meters", field="meter")
    return before.base_date != after.base_date


def check_clock(now: int, *, newest_sale: int | None, database_now: int | None) -> None:
    """Refuse to sell by a clock that is wrong.

    Parameters
    ----------
    now : int
        What this machine's clock says [ns since 1970 UTC].
    newest_sale : int or None
        When the newest sale in the store was made; None before the first.
    database_now : int or None
        What the database's own clock says; None where it has none of its own.

    Raises
    ------
    Refused
        ``ClockWentBack`` where the newest sale lies more than `CLOCK_TOLERANCE_NS` ahead;
        ``ClocksDisagree`` where the database's clock stands further off than that.
    """
    tolerance = CLOCK_TOLERANCE_NS // MINUTE_NS
    if newest_sale is not None and now < newest_sale - CLOCK_TOLERANCE_NS:
        raise Refused(
            "ClockWentBack",
            f"the clock says {to_iso(now)}, but the newest sale was at {to_iso(newest_sale)}: more than "
            f"{tolerance} minutes later",
        )
    if database_now is not None and abs(now - database_now) > CLOCK_TOLERANCE_NS:
        raise Refused(
            "ClocksDisagree",
            f"the clock says {to_iso(now)}, the database's says {to_iso(database_now)}: more than "
            f"{tolerance} minutes apart",
        )
