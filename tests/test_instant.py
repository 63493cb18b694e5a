from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joy311.errors import InvalidInput
from joy311.instant import HOUR_NS, from_datetime, from_utc_datetime, to_datetime


@given(st.datetimes())
def test_a_time_without_a_zone_is_read_as_utc_to_the_microsecond(moment: datetime) -> None:
    instant_ns = from_utc_datetime(moment)
    assert instant_ns == from_datetime(moment.replace(tzinfo=UTC))
    assert to_datetime(instant_ns) == moment.replace(tzinfo=UTC)
    east = moment.replace(tzinfo=timezone(timedelta(hours=3)))
    assert from_datetime(east) == instant_ns - 3 * HOUR_NS


def test_a_zone_that_is_missing_or_in_the_way_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no time zone"):
        from_datetime(datetime(2026, 3, 1))
    with pytest.raises(InvalidInput, match="time zone of its own"):
        from_utc_datetime(datetime(2026, 3, 1, tzinfo=UTC))
