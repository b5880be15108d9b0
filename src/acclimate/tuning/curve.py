"""The loss curve as an SVG file."""

from __future__ import annotations

from collections.abc import Sequence

_WIDTH, _HEIGHT, _EDGE = 640, 300, 44


def loss_curve(log: Sequence[dict[str, float]]) -> str:
    """Training loss (thin) and dev loss (thick) over steps, from a run's log rows."""
    train = [(row["step"], row["loss"]) for row in log if "loss" in row]
    dev = [(row["step"], row["dev_loss"]) for row in log if "dev_loss" in row]
    steps = max((step for step, _ in [*train, *dev]), default=1) or 1
    top = max((loss for _, loss in [*train, *dev]), default=1.0) or 1.0

    def line(points: Sequence[tuple[float, float]], width: float, colour: str) -> str:
        places = " ".join(
            f"{_across(step / steps):.1f},{_up(loss / top):.1f}" for step, loss in points
        )
        return f'<polyline fill="none" stroke="{colour}" stroke-width="{width}" points="{places}"/>'

    ticks = "".join(
        f'<line x1="{_EDGE}" x2="{_WIDTH - 10}" y1="{_up(share):.1f}" y2="{_up(share):.1f}" '
        f'stroke="#ddd"/>'
        f'<text x="4" y="{_up(share) + 4:.1f}">{share * top:.2f}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" '
        f'fill="#fff"/>{ticks}{line(train, 1, "#8ab")}{line(dev, 3, "#0b6b61")}'
        f'<text x="{_EDGE}" y="{_HEIGHT - 8}">0 to {steps:.0f} steps: training loss (thin), dev '
        f"loss (thick)</text>"
        "</svg>\n"
    )


def _across(share: float) -> float:
    return _EDGE + (_WIDTH - _EDGE - 10) * share


def _up(share: float) -> float:
    return _HEIGHT - 30 - (_HEIGHT - 45) * share
