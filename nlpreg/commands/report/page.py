"""The HTML page of `nlpreg report`: one file with style and drawings, without scripts or links to the network."""

import json
import math
import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpreg.commands.diff import config_differences
from nlpreg.commands.report.analysis import Analysis, Example
from nlpreg.commands.report.language import Band, LanguageAnalysis
from nlpreg.commands.report.run_record import Curve, RunRecord

if TYPE_CHECKING:
    from nlpreg.predictors.scorer import ScoredText

_WIDTH, _HEIGHT = 520, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 30  # margins of a chart, in its own units
_NUM_STEPS = 4
"""Steps between the lines of a chart, about."""
_MAX_LABELS = 25
"""Labels shown in a confusion matrix; the rarer ones would make it unreadable."""


def run_page(record: RunRecord, analysis: Analysis | LanguageAnalysis | None = None) -> str:
    """The page about one run.

    Args:
        record: the run.
        analysis: of its model on data, if there is one.
    """
    parts = [_title(record), _tiles(record, analysis), _curves([record])]
    if isinstance(analysis, Analysis):
        parts += [_quality(analysis), _mistakes(analysis)]
    elif analysis is not None:
        parts.append(_language(analysis))
    parts += [_time(record), _vocabulary(record), _config(record), _environment(record)]
    return _page(f"{record.name} - nlpreg", parts)


def comparison_page(records: Sequence[RunRecord]) -> str:
    """The page that compares runs."""
    names = ", ".join(record.name for record in records)
    parts = [
        f"<h1>{len(records)} runs</h1><p class='soft'>{escape(names)}</p>",
        _metrics_table(records),
        _curves(records),
        _config_differences(records),
    ]
    return _page(f"{names} - nlpreg", parts)


def _page(title: str, parts: Iterable[str]) -> str:
    body = "\n".join(part for part in parts if part)
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<style>\n{style}</style></head><body><main>\n{body}\n</main></body></html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""


def _number(value: Any) -> str:
    """A number with four decimals or significant digits; strings unchanged, other values as JSON."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return str(value)
    return f"{value:.4f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.4g}"


def _code(value: Any, css_class: str = "") -> str:
    """Strings unchanged, other values as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"<code class='{css_class}'>{escape(text)}</code>" if css_class else f"<code>{escape(text)}</code>"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _table(
    header: Sequence[str], rows: Iterable[Sequence[str]], numeric: frozenset[int] = frozenset()
) -> str:
    """A table of cells of HTML; `numeric` has the indices of the columns that are aligned to the right."""

    def line(tag: str, cells: Sequence[str]) -> str:
        classes = [" class='n'" if column in numeric else "" for column in range(len(cells))]
        return "".join(f"<{tag}{css}>{cell}</{tag}>" for css, cell in zip(classes, cells, strict=True))

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<div class='scroll'><table><tr>{line('th', header)}</tr>{body}</table></div>"


# The parts of a page


def _title(record: RunRecord) -> str:
    model = record.config.get("model", {})
    kind = model.get("type", "") if isinstance(model, dict) else ""
    started = str(record.meta.get("start_time", "")).replace("T", " ")[:16]
    facts = [
        str(kind),
        f"started {started}" if started else "",
        f"nlpreg {record.meta.get('version', '')}".strip(),
    ]
    if not record.metrics:
        facts.append("not finished")
    return f"<h1>{escape(record.name)}</h1><p class='soft'>{escape(' · '.join(filter(None, facts)))}</p>"


def _tiles(record: RunRecord, analysis: Analysis | LanguageAnalysis | None) -> str:
    tiles = [
        (name.removeprefix("best_").replace("_", " "), _number(value))
        for name, value in record.metrics.items()
        if name.startswith(("best_validation_", "test_")) and isinstance(value, (int, float))
    ]
    if record.best_epoch is not None:
        tiles.append(("best epoch", str(record.best_epoch + 1)))
    if isinstance(analysis, Analysis):
        tiles.append((f"accuracy on {os.path.basename(str(analysis.data))}", _number(analysis.accuracy)))
    cells = "".join(f"<div class='tile'><b>{escape(v)}</b><span>{escape(k)}</span></div>" for k, v in tiles)
    return f"<div class='tiles'>{cells}</div>" if cells else ""


def _curves(records: Sequence[RunRecord]) -> str:
    """A chart of each metric and of the learning rate."""
    by_metric: dict[str, dict[str, Curve]] = {}
    alone = len(records) == 1
    for record in records:
        for metric, series in record.curves().items():
            for kind, curve in series.items():
                label = kind if alone else f"{record.name}: {kind}"
                if alone or kind == "validation" or "validation" not in series:
                    by_metric.setdefault(metric, {})[label] = curve
    best = records[0].best_epoch if alone else None
    cards = [
        _card(metric, _chart(series, "epoch", None if best is None else best + 1), list(series))
        for metric, series in sorted(by_metric.items(), key=lambda item: (item[0] != "loss", item[0]))
    ]
    rates = {("learning rate" if alone else record.name): record.learning_rate() for record in records}
    rates = {name: curve for name, curve in rates.items() if curve}
    if rates:
        cards.append(_card("learning rate", _chart(rates, "update"), [] if alone else list(rates)))
    return _section("Curves", f"<div class='grid'>{''.join(cards)}</div>" if cards else "")


def _card(title: str, content: str, legend: Sequence[str] = ()) -> str:
    entries = "".join(
        f"<span><i style='background:var(--c{number % 6})'></i>{escape(name)}</span>"
        for number, name in enumerate(legend)
    )
    keys = f"<div class='legend'>{entries}</div>" if entries else ""
    return f"<div class='card'><h3>{escape(title)}</h3>{content}{keys}</div>"


def _chart(series: dict[str, Curve], x_name: str, marked: int | None = None) -> str:
    """Curves as SVG; at `marked`, the best epoch, there is a dashed line."""
    points = [point for curve in series.values() for point in curve if math.isfinite(point[1])]
    if not points:
        return "<p class='soft'>no finite values</p>"
    x_low, x_high = _range([x for x, _ in points])
    ticks = _ticks(*_range([y for _, y in points]))
    y_low, y_high = ticks[0], ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)
        up = (y - y_low) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)
        return round(_LEFT + across, 1), round(_HEIGHT - _BOTTOM - up, 1)

    drawn = [f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img'>"]
    for value in ticks:
        _, y = place(x_low, value)
        drawn.append(f"<line x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{y}' y2='{y}' stroke='var(--line)'/>")
        drawn.append(f"<text x='{_LEFT - 6}' y='{y + 4}' text-anchor='end'>{value:.6g}</text>")
    for value, anchor in ((x_low, "start"), (x_high, "end")):
        x, _ = place(value, y_low)
        drawn.append(f"<text x='{x}' y='{_HEIGHT - 10}' text-anchor='{anchor}'>{value:g}</text>")
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    drawn.append(f"<text x='{middle}' y='{_HEIGHT - 2}' text-anchor='middle'>{escape(x_name)}</text>")
    if marked is not None and x_low <= marked <= x_high:
        x, _ = place(marked, y_low)
        drawn.append(
            f"<line x1='{x}' x2='{x}' y1='{_TOP}' y2='{_HEIGHT - _BOTTOM}' stroke='var(--soft)' stroke-dasharray='4 4'>"
            f"<title>best epoch: {marked}</title></line>"
        )
    for number, (name, curve) in enumerate(series.items()):
        colour = f"var(--c{number % 6})"
        placed = [(place(x, y), x, y) for x, y in curve if math.isfinite(y)]
        path = " ".join(f"{x},{y}" for (x, y), _, _ in placed)
        drawn.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2' stroke-linejoin='round'/>"
        )
        if len(placed) <= 60:  # more dots would hide the line
            drawn += [
                f"<circle cx='{px}' cy='{py}' r='2.6' fill='{colour}'><title>{escape(name)}, {escape(x_name)} {x:g}: {y:.5g}"
                "</title></circle>"
                for (px, py), x, y in placed
            ]
    return "".join(drawn) + "</svg>"


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest value; never the same."""
    low, high = min(values), max(values)
    return (low, high) if low < high else (low - (abs(low) or 1) * 0.5, high + (abs(high) or 1) * 0.5)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers at equal distances, from `low` or below to `high` or above."""
    raw = (high - low) / _NUM_STEPS
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * unit for factor in (1, 2, 2.5, 5, 10) if factor * unit >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _quality(analysis: Analysis) -> str:
    """Scores of each label, known and unknown words, the confusion matrix."""
    scores = analysis.scores()
    rows = [
        [
            escape(score.label),
            *(_number(value) for value in (score.precision, score.recall, score.f1)),
            f"{score.count:,}",
        ]
        for score in scores
    ]
    parts = [_table(["label", "precision", "recall", "F1", "count"], rows, frozenset(range(1, 5)))]
    knowledge = analysis.accuracy_by_knowledge()
    if knowledge:
        rows = [
            [f"{kind} words", _number(accuracy), f"{count:,}"]
            for kind, (accuracy, count) in knowledge.items()
        ]
        parts.append(
            "<h3 class='below'>Accuracy on known and unknown words</h3>"
            + _table(["", "accuracy", "count"], rows, frozenset({1, 2}))
        )
    cards = f"<div class='card'>{''.join(parts)}</div>{_reliability(analysis)}"
    about = f"<p class='soft'>{len(analysis.examples):,} instances of {escape(analysis.data)}</p>"
    matrix = f"<div class='card below'>{_matrix(analysis)}</div>"
    return _section("Labels", f"{about}<div class='pair'>{cards}</div>{matrix}")


def _reliability(analysis: Analysis) -> str:
    """The reliability diagram, and the calibration error."""
    error = analysis.calibration_error()
    if error is None:
        return ""
    bins = analysis.calibration()
    series: dict[str, Curve] = {
        "this model": [(one.confidence, one.accuracy) for one in bins],
        "perfectly calibrated": [(0.0, 0.0), (1.0, 1.0)],
    }
    rows = [[_number(one.confidence), _number(one.accuracy), f"{one.count:,}"] for one in bins]
    return _card(
        f"Accuracy by confidence (expected calibration error {error:.4f})",
        _chart(series, "mean confidence")
        + _table(["confidence", "accuracy", "count"], rows, frozenset(range(3))),
        list(series),
    )


def _matrix(analysis: Analysis) -> str:
    """The confusion matrix, shaded by the share of each cell in its row."""
    labels = analysis.labels
    shown = labels[:_MAX_LABELS]
    header = "".join(f"<th>{escape(label)}</th>" for label in shown)
    rows = []
    for gold in shown:
        total = sum(analysis.confusion[gold, other] for other in labels) or 1
        cells = []
        for predicted in shown:
            count = analysis.confusion[gold, predicted]
            shade = f" style='background:rgba(var(--heat),{0.08 + 0.6 * count / total:.2f})'" if count else ""
            title = f"{escape(gold)} as {escape(predicted)}: {count:,}, {count / total:.1%}"
            cells.append(f"<td{shade} title='{title}'>{f'{count:,}' if count else ''}</td>")
        rows.append(f"<tr><th>{escape(gold)}</th>{''.join(cells)}</tr>")
    rarer = (
        f"<p class='soft'>the {_MAX_LABELS} most frequent of {len(labels)} labels</p>"
        if len(labels) > len(shown)
        else ""
    )
    return (
        "<h3>Gold (rows) and predicted (columns)</h3><div class='scroll'><table class='matrix'>"
        f"<tr><th></th>{header}</tr>{''.join(rows)}</table></div>{rarer}"
    )


def _mistakes(analysis: Analysis) -> str:
    """The most frequent errors, and the texts with the most of them."""
    blocks = []
    for gold, predicted, count, examples in analysis.confusions():
        shown = "".join(_words(example, place) for example, place in examples)
        blocks.append(
            f"<details><summary><span class='gold'>{escape(gold)}</span> predicted as <span class='predicted'>"
            f"{escape(predicted)}</span>, {count:,} times</summary>{shown}</details>"
        )
    worst = "".join(_words(example) for example in analysis.worst())
    if worst:
        blocks.append(f"<details><summary>texts with the most errors</summary>{worst}</details>")
    return _section("Errors", "".join(blocks) or "<p>There are none.</p>")


def _words(example: Example, place: int | None = None) -> str:
    """A text with its gold labels, and the predicted ones where they differ; the word at `place` is highlighted."""
    if not example.is_tagged:
        text = escape(" ".join(example.words)) or "<i>empty</i>"
        verdict = (
            f"gold <span class='gold'>{escape(example.gold[0])}</span>, predicted " if example.gold else ""
        )
        return f"<p>{text}<br><small>{verdict}<span class='predicted'>{escape(example.predicted[0])}</span></small></p>"
    cells = []
    for number, (word, gold, predicted) in enumerate(
        zip(example.words, example.gold, example.predicted, strict=True)
    ):
        classes = " ".join(
            filter(None, ["wrong" if gold != predicted else "", "here" if number == place else ""])
        )
        label = (
            f"<small>{escape(gold)}</small>"
            if gold == predicted
            else f"<small class='gold'>{escape(gold)}</small><small class='predicted'>{escape(predicted)}</small>"
        )
        cells.append(f"<span class='{classes}'>{escape(word)}{label}</span>")
    return f"<div class='words'>{''.join(cells)}</div>"


def _language(analysis: LanguageAnalysis) -> str:
    """Perplexity by frequency and position, the texts with the highest perplexity, and sampled texts."""

    def bands(title: str, rows: Sequence[Band]) -> str:
        cells = [[escape(band.name), _number(band.perplexity), f"{band.count:,}"] for band in rows]
        return _card(f"by {title}", _table(["", "perplexity", "tokens"], cells, frozenset({1, 2})))

    tables = bands("frequency: rank in the vocabulary", analysis.by_frequency())
    tables += bands("position in the text", analysis.by_position())
    blocks = [
        f"<p class='soft'>{len(analysis.texts):,} texts of {escape(analysis.data)}</p><div class='grid'>{tables}</div>"
    ]
    worst = "".join(_surprisals(text) for text in analysis.worst())
    blocks.append(
        "<details><summary>texts with the highest perplexity</summary><p class='soft'>Below each token: its surprisal "
        f"in bits; darker tokens are less expected.</p>{worst}</details>"
    )
    if analysis.samples:
        written = "".join(f"<p>{escape(sample)}</p>" for sample in analysis.samples)
        blocks.append(f"<details open><summary>sampled texts</summary>{written}</details>")
    return _section("Predictions", "".join(blocks))


def _surprisals(text: "ScoredText") -> str:
    cells = []
    for token, value in zip(text.tokens, text.log_probabilities, strict=True):
        bits = None if value is None else -value / math.log(2)
        shade = 0.0 if bits is None else min(0.6, bits / 30)
        label = "" if bits is None else f"<small>{bits:.1f}</small>"
        cells.append(f"<span style='background:rgba(var(--heat),{shade:.2f})'>{escape(token)}{label}</span>")
    return (
        f"<p class='soft'>perplexity {_number(text.perplexity)}</p><div class='words'>{''.join(cells)}</div>"
    )


def _time(record: RunRecord) -> str:
    seconds = record.seconds_by_epoch()
    parts = []
    if seconds:
        curve = {"seconds": [(float(epoch), value) for epoch, value in enumerate(seconds, start=1)]}
        total = f"{_duration(sum(seconds))} in {len(seconds)} epochs"
        parts.append(_card(f"seconds of each epoch, with its validation: {total}", _chart(curve, "epoch")))
    phases = record.phases()
    if phases:
        whole = sum(phases.values()) or 1.0
        rows = [[escape(name), f"{value:.2f} ms", f"{value / whole:.1%}"] for name, value in phases.items()]
        parts.append(
            _card("phases of a training step", _table(["phase", "time", "share"], rows, frozenset({1, 2})))
        )
    return _section("Time", f"<div class='grid'>{''.join(parts)}</div>" if parts else "")


def _vocabulary(record: RunRecord) -> str:
    rows = [[escape(name), f"{size:,}"] for name, size in record.vocabulary.items()]
    return _section("Vocabulary", _table(["namespace", "entries"], rows, frozenset({1})) if rows else "")


def _config(record: RunRecord) -> str:
    """The config as written, and with the defaults filled in, where the keys that the config sets are highlighted."""
    given = {path for path, _ in _flat(record.config)}
    text = escape(json.dumps(record.config, indent=2, ensure_ascii=False))
    content = f"<details open><summary>as written</summary><pre>{text}</pre></details>"
    if record.resolved:
        rows = [
            [
                _code(path, "changed" if path in given else "default"),
                _code(json.dumps(value, ensure_ascii=False)),
            ]
            for path, value in _flat(record.resolved)
        ]
        content += (
            "<details><summary>with the defaults filled in</summary><p class='soft'>Keys that the config sets are in "
            f"colour.</p>{_table(['key', 'value'], rows)}</details>"
        )
    return _section("Config", content)


def _flat(value: Any, path: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{path}.{number}")
    else:
        yield path, value


def _environment(record: RunRecord) -> str:
    meta = {k: " ".join(v) if k == "command" and isinstance(v, list) else v for k, v in record.meta.items()}
    rows = [[escape(name), _code(value)] for name, value in _flat(meta)]
    return _section("Environment", _table(["", ""], rows) if rows else "")


def _metrics_table(records: Sequence[RunRecord]) -> str:
    """The final metrics of several runs, a column each."""
    names = dict.fromkeys(
        name
        for record in records
        for name, value in record.metrics.items()
        if isinstance(value, (int, float))
        and name.startswith(("best_validation_", "test_", "validation_", "training_"))
    )
    rows = [
        [
            escape(name),
            *(_number(record.metrics[name]) if name in record.metrics else "" for record in records),
        ]
        for name in names
        if not name.endswith("_memory_MB")
    ]
    rows.append(["best epoch", *("" if r.best_epoch is None else str(r.best_epoch + 1) for r in records)])
    header = ["metric", *(escape(record.name) for record in records)]
    return _section("Metrics", _table(header, rows, frozenset(range(1, len(header)))))


def _config_differences(records: Sequence[RunRecord]) -> str:
    """The keys in which the configs of several runs differ from the first one's, a column for each run."""
    first, *others = records
    paths = dict.fromkeys(
        path for other in others for path, _, _ in config_differences(first.config, other.config)
    )
    flat = [dict(_flat(record.config)) for record in records]

    def shown(values: dict[str, Any], path: str) -> str:
        if path in values:
            return _code(json.dumps(values[path], ensure_ascii=False))
        return _code("..." if any(key.startswith(f"{path}.") for key in values) else "")

    rows = [[_code(path), *(shown(values, path) for values in flat)] for path in paths]
    header = ["key", *(escape(record.name) for record in records)]
    return _section("Config", _table(header, rows) if rows else "<p>The configs are the same.</p>")
