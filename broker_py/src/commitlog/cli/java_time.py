# SPDX-License-Identifier: Apache-2.0
"""Times on the command line as Java reads them: Utils.getDateTime, and Duration.parse."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from commitlog.cli.topics_errors import ToolError

_DATETIME = re.compile(r"(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)\.(\d+)(?:Z|([+-])(\d\d):?(\d\d)?)", re.ASCII)
_DURATION = re.compile(
    r"([-+]?)P(?:([-+]?\d+)D)?"
    r"(T(?:([-+]?\d+)H)?(?:([-+]?\d+)M)?(?:([-+]?)(\d+)(?:[.,](\d{0,9}))?S)?)?",
    re.ASCII | re.IGNORECASE,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def datetime_to_ms(text: str) -> int:
    """YYYY-MM-DDTHH:mm:SS.sss with or without a zone (UTC), in milliseconds since the epoch."""
    _, separator, clock = text.partition("T")
    if not separator:
        raise ToolError(
            "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to "
            "ISO8601 "
            "format"
        )
    zoned = text if any(sign in clock for sign in "+-Z") else f"{text}Z"
    found = _DATETIME.match(zoned)
    try:
        if found is None:
            raise ValueError
        year, month, day, hour, minute, second, millis = (int(part) for part in found.groups()[:7])
        sign, hours, minutes = found.groups()[7:]
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        zone = timezone(-offset if sign == "-" else offset)
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        if millis > 999:
            raise ValueError
    except ValueError:
        raise ToolError(f'java.text.ParseException: Unparseable date: "{zoned}"') from None
    return (moment - _EPOCH) // timedelta(milliseconds=1) + millis


def duration_to_ms(text: str) -> int:
    """PnDTnHnMn.nS in milliseconds."""
    found = _DURATION.fullmatch(text)
    if found is None or found[3] in ("T", "t") or not any(found.group(2, 4, 5, 7)):
        raise ToolError("Text cannot be parsed to a Duration")
    whole = timedelta(days=int(found[2] or 0), hours=int(found[4] or 0), minutes=int(found[5] or 0))
    fraction = (found[8] or "").ljust(9, "0")
    seconds_ms = int(found[7] or 0) * 1000 + int(fraction[:3])
    total = whole // timedelta(milliseconds=1) + (-seconds_ms if found[6] == "-" else seconds_ms)
    return -total if found[1] == "-" else total
