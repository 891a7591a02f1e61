"""The texts of the page's panel, as HTML; whatever comes from outside is escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from selcon_ros.core.grasps.grasp_result import GraspPoint
from selcon_ros.core.outputs.overlay import tint
from selcon_ros.core.text import one_line
from selcon_ros.view.scene import ActionAnswer, TargetFrame, ViewFrame
from selcon_ros.view.shapes import colour_of

MAX_LINES = 8
"""Grasps, refusals and diagnostics of one kind that are listed, at most."""
LEVEL_COLOURS = {"ok": "#51cf66", "warning": "#ffa94d", "error": "#ff6b6b"}
GRADIENT_STOPS = 9
STYLE = """<style>
.sv { padding: 2px 12px 6px; font-size: 12px; line-height: 1.5; overflow-wrap: anywhere }
.sv .row { display: flex; align-items: center; gap: 6px; height: 18px }
.sv .name { width: 84px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.sv .bar { flex: 1; position: relative; height: 9px; border-radius: 4px; background: #80808038 }
.sv .bar > div { height: 100%; border-radius: 4px }
.sv .bar > i { position: absolute; top: -3px; width: 2px; height: 15px; background: #868e96 }
.sv .scale { flex: 1; height: 10px; border-radius: 5px }
.sv .value { width: 30px; text-align: right }
.sv td + td { text-align: right; padding-left: 16px }
</style>"""
"""Of all texts of the panel; `status`, which is always shown, brings it."""


def _text(value: object, limit: int = 300) -> str:
    return escape(one_line(str(value), limit))


def legend() -> str:
    """Return the scale of the heat's colours, as they look on grey."""
    strip = np.full((1, GRADIENT_STOPS, 3), 128, np.uint8)
    tint(strip, np.linspace(0, 1, GRADIENT_STOPS, dtype=np.float32)[None])
    stops = ",".join(f"rgb({r},{g},{b})" for r, g, b in strip[0].tolist())
    scale = f'<div class="scale" style="background:linear-gradient(90deg,{stops})"></div>'
    return f'<div class="sv"><div class="row"><span>heat 0</span>{scale}<span>1</span></div></div>'


def status(frame: ViewFrame) -> str:
    """Return one line: the worst that is known of the state."""
    ranks = list(LEVEL_COLOURS)
    worst = max(frame.diagnostics, key=lambda each: ranks.index(each.level), default=None)
    level, text = ("ok", "running") if worst is None else (worst.level, worst.text)
    dot = f'<b style="color:{LEVEL_COLOURS[level]}">● {level}</b>'
    return f'{STYLE}<div class="sv">{dot} {_text(text, 120)}</div>'


def confidences(frame: ViewFrame, actions: Sequence[str]) -> str:
    """Return a bar for each action, with a line at the least confidence; those asked for in their colour."""
    rows = []
    least = 100 * frame.thresholds.min_confidence
    for action in actions:
        asked = action in frame.asked
        value = frame.confidences.get(action, math.nan)
        known = math.isfinite(value)
        percent = 100 * min(max(value, 0.0), 1.0) if known else 0.0
        colour = _css(frame.asked.index(action)) if asked else "#adb5bd"
        weight = "bold" if asked else "normal"
        rows.append(
            f'<div class="row" data-confidence="{_text(action)}">'
            f'<span class="name" style="font-weight:{weight}">{_text(action)}</span>'
            f'<div class="bar"><div style="width:{percent:.1f}%;background:{colour}"></div>'
            f'<i style="left:{least:.1f}%"></i></div>'
            f'<span class="value">{f"{value:.2f}" if known else "–"}</span></div>'
        )
    return f'<div class="sv">{"".join(rows)}</div>'


def grasps(frame: ViewFrame) -> str:
    """Return what was found for each action that is asked for, and why something is missing.

    Positions are in the target frame where there is one, otherwise in the camera's.
    """
    if not frame.answers:
        return '<div class="sv">No action is asked for: tick one above.</div>'
    answers = [_answer(answer, place, frame.target) for place, answer in enumerate(frame.answers)]
    return f'<div class="sv">{"".join(answers)}</div>'


def times(frame: ViewFrame) -> str:
    """Return how long the parts of the work took."""
    rows = "".join(
        f"<tr><td>{_text(part)}</td><td>{value:.1f} ms</td></tr>" for part, value in frame.times.items()
    )
    return f'<div class="sv"><table>{rows}</table></div>'


def diagnostics(frame: ViewFrame) -> str:
    """Return every line of the diagnostics."""
    lines = [
        f'<div><b style="color:{LEVEL_COLOURS[each.level]}">●</b> {_text(each.text, 1000)}</div>'
        for each in frame.diagnostics[: 4 * MAX_LINES]
    ]
    return f'<div class="sv">{"".join(lines) or "Nothing to report."}</div>'


def facts(frame: ViewFrame, title: str, model: str) -> str:
    """Return what is looked at, and by which model."""
    height, width = frame.image.shape[:2]
    depth = "with depth" if frame.depth is not None else "without depth"
    image = f"{width} × {height}, {depth}, frame {frame.frame_id or '-'}, number {frame.number}"
    return (
        f'<div class="sv"><b>Source</b> {_text(title)}<br><b>Model</b> {_text(model, 500)}<br>'
        f"<b>Image</b> {_text(image)}</div>"
    )


def grasp_label(action: str, point: GraspPoint) -> str:
    """Return what stands at a gripper: action, score and width."""
    width = "" if point.width is None else f" · {1e3 * point.width:.0f} mm"
    return f"{one_line(action, 40)} {point.score:.2f}{width}"


def _css(place: int) -> str:
    red, green, blue = colour_of(place)
    return f"rgb({red},{green},{blue})"


def _answer(answer: ActionAnswer, place: int, target: TargetFrame | None) -> str:
    points = answer.grasps.points[:MAX_LINES]
    lines = [_grasp(number, point, target) for number, point in enumerate(points, 1)]
    lines += [f"<div>no grasp: {_text(each)}</div>" for each in answer.grasps.refused[:MAX_LINES]]
    if answer.note:
        lines.append(f"<div>{_text(answer.note)}</div>")
    dot = f'<span style="color:{_css(place)}">■</span>'
    confidence = answer.heatmap.confidence
    name = _text(answer.action)
    head = f'<div data-answer="{name}">{dot} <b>{name}</b> confidence {confidence:.2f}</div>'
    return head + "".join(lines)


def _grasp(number: int, point: GraspPoint, target: TargetFrame | None) -> str:
    text = f"{number}. score {point.score:.2f}"
    if point.width is not None:
        text += f", width {1e3 * point.width:.0f} mm"
    if point.position is not None:
        position = np.array(point.position)
        if target is not None:
            position = target.pose.inverse.points(position[None])[0]
        text += ", at ({:.0f}, {:.0f}, {:.0f}) mm".format(*(1e3 * position).tolist())
        text += "" if target is None else f" in {_text(target.name, 100)}"
    else:
        text += ", pixel ({:.0f}, {:.0f})".format(*point.pixel)
    return f"<div>{text}{f' ({_text(point.note)})' if point.note else ''}</div>"
