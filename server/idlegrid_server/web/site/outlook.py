"""The forecast as a public page shows it: a sentence, and a chart with the band it may end in."""

from collections.abc import Sequence

import msgspec

from idlegrid_server.domain.forecast import Forecast
from idlegrid_server.domain.model import PulseSeen
from idlegrid_server.web.api.page import moment

POINTS_MAX = 120
DAY_US = 86_400 * 1_000_000
FOOT, HEAD = 100.0, 10.0  # percent from the top: nothing, and all units
BESIDE_MIN = 6.0  # percent of the width between two labels


class Outlook(msgspec.Struct, frozen=True):
    """What the page draws. Places in percent of the chart, times as ISO 8601."""

    p50_at: str
    p90_at: str
    p50_words: str
    p90_words: str
    line: str  # path of the share that has ended
    area: str
    band: str  # from now to P50 and P90
    middle: str
    now_x: str
    now_y: str
    p50_x: str
    p90_x: str
    apart: bool  # P50 and P90 are far enough apart for a label each
    percent: int


def draw_outlook(
    found: Forecast, pulses: Sequence[PulseSeen], since: int, now: int, expected: int
) -> Outlook:
    """The chart of a stage from ``since`` to its P90; all times µs."""
    span = max(1, found.p90_at - since)
    width = 100.0 / 1.04  # a little room beyond P90

    def x(at: int) -> float:
        return width * (min(found.p90_at, max(since, at)) - since) / span

    def y(ended: int) -> float:
        return FOOT - (FOOT - HEAD) * min(1.0, ended / max(1, expected))

    points = _points(pulses, since, now)
    line = "M" + "L".join(f"{x(at):.2f} {y(ended):.2f}" for at, ended in points)
    now_x, now_y = x(now), y(points[-1][1])
    p50_x, p90_x = x(found.p50_at), x(found.p90_at)
    whole_days = found.p90_at - now > DAY_US
    return Outlook(
        p50_at=moment(found.p50_at) or "",
        p90_at=moment(found.p90_at) or "",
        p50_words=_words(found.p50_at, whole_days),
        p90_words=_words(found.p90_at, whole_days),
        line=line,
        area=f"{line}L{now_x:.2f} {FOOT:g}L0 {FOOT:g}Z",
        band=f"M{now_x:.2f} {now_y:.2f}L{p50_x:.2f} {HEAD:g}L{p90_x:.2f} {HEAD:g}Z",
        middle=f"M{now_x:.2f} {now_y:.2f}L{p50_x:.2f} {HEAD:g}",
        now_x=f"{now_x:.2f}%",
        now_y=f"{now_y:.2f}%",
        p50_x=f"{p50_x:.2f}%",
        p90_x=f"{p90_x:.2f}%",
        apart=p90_x - p50_x >= BESIDE_MIN,
        percent=round(100 * points[-1][1] / max(1, expected)),
    )


def _points(pulses: Sequence[PulseSeen], since: int, now: int) -> list[tuple[int, int]]:
    """(time, units that had ended by then), from nothing to now."""
    points = [(since, 0)]
    ended = 0
    for pulse in sorted(pulses, key=lambda pulse: pulse.at):
        ended += pulse.ended
        points.append((max(since, min(now, pulse.at)), ended))
    if len(points) > POINTS_MAX:
        step = -(-len(points) // POINTS_MAX)
        points = [*points[:1], *points[1:-1:step], points[-1]]
    return [*points, (now, ended)]


def _words(at: int, with_day: bool) -> str:
    text = moment(at) or ""
    return f"{text[:10]}, {text[11:16]}" if with_day else text[11:16]
