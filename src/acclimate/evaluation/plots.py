"""Small plots as SVG text: colours come from the page's style sheet, words from the data,
escaped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from acclimate.evaluation.statistics import Interval

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 150, 16, 44
_LETTER, _LINE, _DOT = 7.2, 15, 6  # of names, and half of a dot with its edge
Box = tuple[float, float, float]
"""From left to right, and the line on which the words stand."""


def interval_bar(interval: Interval) -> Markup:
    """A mean (dot) and its interval (line) on a scale from 0 to 1."""
    low, mean, high = (4 + 152 * share for share in (interval.low, interval.mean, interval.high))
    return Markup(
        '<svg class="bar" viewBox="0 0 160 16" width="160" height="16" aria-hidden="true">'
        '<line class="scale" x1="4" x2="156" y1="8" y2="8"/><line class="range" x1="{}" x2="{}" '
        'y1="8" y2="8"/>'
        '<circle cx="{}" cy="8" r="4"/></svg>'
    ).format(*(f"{x:.1f}" for x in (low, high, mean)))


def scatter(points: Sequence[tuple[str, float, Interval]], label: str) -> Markup:
    """Score (upwards, 0 to 100, with intervals) against a positive figure (to the right,
    logarithmic)."""
    low, high = _decades([max(x, 1e-4) for _, x, _ in points])

    def across(x: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (math.log10(max(x, 1e-4)) - low) / (high - low)

    def up(y: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * y

    parts = [_grid(low, high, across, up, label)]
    # Names must cover neither dots nor each other.
    taken: list[Box] = [
        (across(x) - _DOT, across(x) + _DOT, up(interval.mean) + 4) for _, x, interval in points
    ]
    for name, x, interval in sorted(points, key=lambda point: -point[2].mean):
        left, top = across(x), up(interval.mean)
        begin, words = _free_place(len(name) * _LETTER, left, top + 4, taken)
        taken.append((begin, begin + len(name) * _LETTER, words))
        parts.append(
            Markup(
                '<line class="range" x1="{x}" x2="{x}" y1="{a}" y2="{b}"/><circle cx="{x}" '
                'cy="{y}" r="5"/>'
                '<text x="{t}" y="{w}">{name}</text>'
            ).format(
                x=f"{left:.1f}",
                a=f"{up(interval.low):.1f}",
                b=f"{up(interval.high):.1f}",
                y=f"{top:.1f}",
                t=f"{begin:.1f}",
                w=f"{words:.1f}",
                name=name,
            )
        )
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="Score against {}">{}</svg>'
    ).format(_WIDTH, _HEIGHT, label, Markup("").join(parts))


def _free_place(wide: float, left: float, line: float, taken: Sequence[Box]) -> tuple[float, float]:
    """Where a name begins, right of its dot or left where it would leave the picture, and its line:
    the nearest that is free."""
    begin = left + 9 if left + 9 + wide <= _WIDTH else max(0.0, left - 9 - wide)

    def free(words: float) -> bool:
        inside = _TOP <= words <= _HEIGHT - _BOTTOM
        return inside and not any(
            begin < end and start < begin + wide and abs(words - other) < _LINE
            for start, end, other in taken
        )

    steps = [sign * number * _LINE / 3 for number in range(30) for sign in (1, -1)]
    return begin, next((line + step for step in steps if free(line + step)), line)


def curves(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]], across: str, up: str
) -> Markup:
    """Lines of points (x, y), both shares from 0 to 1, each named at its left end; at most six
    tones."""
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    parts: list[Markup] = [_share_grid(across, up)]
    taken: list[float] = []
    for number, (name, points) in enumerate(series):
        places = [(_LEFT + width * x, _HEIGHT - _BOTTOM - height * y) for x, y in points]
        words = places[-1][1] + 4
        while any(abs(words - other) < 15 for other in taken):
            words += 15  # names must not cover each other
        taken.append(words)
        parts.append(
            Markup(
                '<g class="s{tone}"><polyline class="line" points="{line}"/>'
                '<text class="name" x="{x}" y="{y}">{name}</text></g>'
            ).format(
                tone=number % 6,
                line=" ".join(f"{x:.1f},{y:.1f}" for x, y in places),
                x=_WIDTH - _RIGHT + 9,
                y=f"{words:.1f}",
                name=name,
            )
        )
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{} against {}">{}</svg>'
    ).format(_WIDTH, _HEIGHT, up, across, Markup("").join(parts))


def _share_grid(across: str, up: str) -> Markup:
    lines = []
    for share in range(0, 101, 25):
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * share / 100
        y = _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share / 100
        lines.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/><text class="tick" x="{}" '
                'y="{}">{share}</text>'
                '<line class="grid" x1="{x}" x2="{x}" y1="{}" y2="{}"/><text class="tick" x="{}" '
                'y="{}">{share}</text>'
            ).format(
                *(_LEFT, _WIDTH - _RIGHT, _LEFT - 30, f"{y + 4:.1f}"),
                *(_TOP, _HEIGHT - _BOTTOM, f"{x - 8:.1f}", _HEIGHT - _BOTTOM + 18),
                x=f"{x:.1f}",
                y=f"{y:.1f}",
                share=share,
            )
        )
    lines.append(
        Markup('<text class="tick" x="{}" y="{}">{} (upwards: {})</text>').format(
            _LEFT, _HEIGHT - 6, across, up
        )
    )
    return Markup("").join(lines)


def _grid(
    low: int, high: int, across: Callable[[float], float], up: Callable[[float], float], label: str
) -> Markup:
    lines = [
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/><text class="tick" x="{}" '
            'y="{}">{}</text>'
        ).format(_LEFT, _WIDTH - _RIGHT, _LEFT - 30, up(y / 100) + 4, y, y=f"{up(y / 100):.1f}")
        for y in range(0, 101, 25)
    ]
    for power in range(low, high + 1):
        x = across(10**power)
        lines.append(
            Markup(
                '<line class="grid" x1="{x}" x2="{x}" y1="{}" y2="{}"/><text class="tick" x="{}" '
                'y="{}">{}</text>'
            ).format(
                _TOP,
                _HEIGHT - _BOTTOM,
                f"{x - 10:.1f}",
                _HEIGHT - _BOTTOM + 18,
                f"{10.0**power:g}",
                x=f"{x:.1f}",
            )
        )
    lines.append(
        Markup('<text class="tick" x="{}" y="{}">{}</text>').format(_LEFT, _HEIGHT - 6, label)
    )
    return Markup("").join(lines)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)
