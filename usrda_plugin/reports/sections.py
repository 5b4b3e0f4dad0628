"""What each section of a report says, from what a run and an adaptation have left: plain records for the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from usrda_plugin.reports.adaptation_facts import AdaptationFacts, LeftOutFile
from usrda_plugin.reports.charts import Chart, Series, line_chart, number
from usrda_plugin.reports.run_record import Alarm, RunRecord

Rows = list[tuple[str, str]]

SIGNALS = {
    "niqe": "NIQE of the enlarged photographs (lower looks more natural; also likes false sharpness)",
    "lr_consistency": "Shrunk again, how far from the photograph (8-bit levels; below 2 is good)",
    "colour_drift": "Shift of the mean colour (8-bit levels; below 1 is good)",
    "grid": "Grid pattern (1: none; below 1.5 is good)",
    "d_f_accuracy": "Right answers of the critic of features (0.5: it guesses)",
    "d_t_accuracy": "Right answers of the critic of renderings (0.5: it guesses)",
    "domain_distance": "Distance of the features of both domains (0 to 2; lower)",
    "style_distance": "Distance of rendered LR images from photographs (0 to 2; lower)",
    "spectrum_gap": "Difference of their spectra (dB; lower)",
    "noise": "Noise that is rendered (8-bit levels)",
    "target_noise": "Noise of the photographs (8-bit levels)",
}
"""Title of a signal's chart: what it is, in which unit, what is good. docs/monitoring.md has more."""
GAP_SIGNALS = ("domain_distance", "style_distance", "spectrum_gap")
TOGETHER = (("noise", "target_noise"),)
"""Signals that are drawn into one chart."""
GROUPS = (
    ("What the network learns from", ("l_g_", "l_pix", "l_percep", "l_style", "l_gan"),
     "Losses: training lowers them. Those of a contest with critics (gan, sty, align) need not fall."),
    ("What the critics learn from", ("l_d_",),
     "A critic tells two kinds of images apart; as it gets better, its loss falls."),
    ("What the critics answer", ("out_d_",), "The nearer the answers to both kinds, the less it can tell them apart."),
    ("More that was logged", ("",), ""),
)  # fmt: skip
ITERATION = "iteration"


class GapRow(NamedTuple):
    """One measure of the gap: what it is, its values, and how it has changed, in words."""

    name: str
    before: str
    after: str
    unit: str
    change: str
    is_nearer: bool | None
    text: str


class ChartGroup(NamedTuple):
    """Charts under one heading, with a sentence about them."""

    title: str
    text: str
    charts: tuple[Chart, ...]


class TrainingSection(NamedTuple):
    """How training went: sentences, groups of charts, alarms with their advice, warnings."""

    words: tuple[str, ...]
    groups: tuple[ChartGroup, ...]
    alarms: tuple[Alarm, ...]
    alarm_texts: tuple[str, ...]
    warnings: tuple[str, ...]


class UsedSection(NamedTuple):
    """What was used, and what was left out and why."""

    rows: Rows
    left_out: tuple[LeftOutFile, ...]


class SettingsSection(NamedTuple):
    """Settings, versions, times, and the commands that use the network."""

    commands: tuple[str, ...]
    timing: Rows
    environment: Rows
    options: str


def gap_rows(run: RunRecord | None, facts: AdaptationFacts | None) -> list[GapRow]:
    """The measures before and after; of a run alone, its first and its last signals of the gap."""
    if facts is not None and facts.gap.before:
        gap = facts.gap
        names = [*gap.before, *(name for name in gap.after if name not in gap.before)]
        return [
            _gap_row(name, gap.before.get(name), gap.after.get(name), gap.units.get(name, ""), gap.text.get(name, ""))
            for name in names
        ]
    signals = run.signals if run else {}
    found = [(name, signals[name].y) for name in GAP_SIGNALS if name in signals and len(signals[name].y) > 1]
    return [_gap_row(name, y[0], y[-1], "", SIGNALS[name]) for name, y in found]


def training_section(run: RunRecord | None, facts: AdaptationFacts | None) -> TrainingSection | None:
    """Curves, alarms, warnings; None where nothing of them is there."""
    texts = tuple(facts.alarms) if facts else ()
    if run is None:
        return TrainingSection((), (), (), texts, ()) if texts else None
    groups = tuple(group for group in _groups(run) if group.charts)
    told = tuple(f"{text} ({count} times)" if count > 1 else text for text, count in run.log.warnings.items()
                 if not text.startswith("Alarm "))  # fmt: skip
    known = {alarm.text for alarm in run.alarms}
    more = tuple(text for text in texts if text not in known)
    words = tuple(_training_words(run, facts, len(run.alarms) + len(more)))
    section = TrainingSection(words, groups, run.alarms, more, (*told, *run.faults))
    return section if any(section) else None


def used_section(run: RunRecord | None, facts: AdaptationFacts | None, left_out: Sequence[LeftOutFile]) -> UsedSection:
    """The photographs and the source, or what a run's options and log say of its images."""
    rows = _used_by_adaptation(facts) if facts else []
    if run is not None:
        rows += [(f"{key} images", text) for name, block in run.block("datasets").items()
                 if isinstance(block, dict) for key, text in _data_set(str(name), block)]  # fmt: skip
        rows += list(run.log.images.items())
    listed = [*(facts.photographs.left_out if facts else []), *left_out]
    return UsedSection(rows, tuple(dict.fromkeys(listed_file for listed_file in map(_frozen, listed))))


def settings_section(run: RunRecord | None, facts: AdaptationFacts | None, commands: Sequence[str]) -> SettingsSection:
    """Commands, times, versions, options."""
    timing: Rows = [(name, duration(seconds)) for name, seconds in facts.timing.items()] if facts else []
    environment: Rows = [(name, str(value)) for name, value in facts.environment.items()] if facts else []
    if run is not None:
        timing += _log_times(run)
        environment += [row for row in run.log.environment.items() if row[0] not in dict(environment)]
    given = tuple(facts.commands) if facts and facts.commands else tuple(commands)
    return SettingsSection(given, timing, environment, run.options_text if run else "")


def duration(seconds: float) -> str:
    """A time as people say it."""
    if not isfinite(seconds):
        return "not known"
    if seconds < 60:
        return f"{seconds:.3g} s"
    if seconds < 3600:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / 3600:.1f} hours"


def _gap_row(name: str, before: float | None, after: float | None, unit: str, text: str) -> GapRow:
    words = [number(value) if value is not None else "not measured" for value in (before, after)]
    change, is_nearer = "", None
    if before is not None and after is not None and isfinite(before) and isfinite(after):
        # a measure may have a sign, and 0 is where there is no gap
        far, then = abs(before), abs(after)
        is_nearer = then < far if then != far else None
        share = f" by {abs(then - far) / far:.0%}" if far else ""
        change = "unchanged" if is_nearer is None else f"nearer{share}" if is_nearer else f"farther{share}"
    return GapRow(name.replace("_", " "), words[0], words[1], unit, change, is_nearer, text)


def _groups(run: RunRecord) -> list[ChartGroup]:
    log = run.log
    signals = _signal_charts(run.signals)
    groups = [ChartGroup("Without ground truth", "Signals, measured at each validation on the same crops.", signals)]
    scores = (line_chart(name, [series], x_label=ITERATION) for name, series in log.validations.items())
    groups.append(ChartGroup("On validation images", "", tuple(filter(None, scores))))
    left = dict(log.losses)
    for title, prefixes, text in GROUPS:
        names = [name for name in left if name.startswith(prefixes)]
        charts = (line_chart(name, [left.pop(name)], x_label=ITERATION) for name in names)
        groups.append(ChartGroup(title, text, tuple(filter(None, charts))))
    rates = {series.y: series for series in log.rates.values()}  # networks mostly share one
    pace = [
        line_chart("Learning rate", list(rates.values()), x_label=ITERATION, floor=0),
        line_chart("Seconds an iteration", [log.speed], x_label=ITERATION, floor=0),
    ]
    groups.append(ChartGroup("Learning rate and speed", "", tuple(filter(None, pace))))
    return groups


def _signal_charts(signals: Mapping[str, Series]) -> tuple[Chart, ...]:
    partners = {first: second for first, second in TOGETHER if first in signals and second in signals}
    charts = []
    for name, series in signals.items():
        if name in partners.values():
            continue
        beside = [signals[partners[name]]] if name in partners else []
        charts.append(line_chart(SIGNALS.get(name, name), [series, *beside], x_label=ITERATION))
    return tuple(filter(None, charts))


def _training_words(run: RunRecord, facts: AdaptationFacts | None, alarms: int) -> list[str]:
    log, words = run.log, []
    iterations = log.iterations or (facts and facts.training.iterations) or 0
    if iterations:
        seconds = log.seconds or (facts and facts.training.seconds) or 0
        starts = f", in {log.starts} starts" if log.starts > 1 else ""
        words.append(f"{iterations:,} iterations{f' in {duration(seconds)}' if seconds else ''}{starts}.")
    total = run.block("train").get("total_iter")
    if iterations and isinstance(total, int) and iterations < total:
        words.append(f"The options ask for {total:,}: it ended, or was stopped, before that.")
    if run.signals or alarms:
        words.append(f"{alarms} alarm{'s' * (alarms > 1)} rang: see below." if alarms else "No alarm rang.")
    return words


def _used_by_adaptation(facts: AdaptationFacts) -> Rows:
    photographs = facts.photographs
    rows: Rows = []
    if photographs.used is not None:
        beside = f", {len(photographs.left_out)} left out" if photographs.left_out else ""
        rows.append(("Photographs used", f"{photographs.used}{beside}"))
    if photographs.folder:
        rows.append(("Folder", photographs.folder))
    if photographs.cameras:
        rows.append(("Cameras", ", ".join(f"{name}: {count}" for name, count in photographs.cameras.items())))
    source = facts.source
    if isinstance(source, dict):
        rows += [(f"Source: {name}", _text(value)) for name, value in source.items()]
    elif source:
        rows.append(("Source (clean images)", _text(source)))
    if facts.start.name or facts.start.file:
        rows.append(("Start", " – ".join(filter(None, (facts.start.name, facts.start.file)))))
    return rows


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return (
        ", ".join(f"{key}: {_text(inner)}" for key, inner in value.items()) if isinstance(value, dict) else str(value)
    )


def _data_set(name: str, block: Mapping[str, Any]) -> Rows:
    roots = {"dataroot_gt": "HR", "dataroot_lq": "LR", "dataroot_target": "target", "dataroot_source": "source"}
    return [(f"{name}, {what}", _text(block[key])) for key, what in roots.items() if block.get(key)]


def _frozen(file: LeftOutFile) -> LeftOutFile:
    return LeftOutFile(file=file.file, reason=file.reason)


def _log_times(run: RunRecord) -> Rows:
    log = run.log
    rows: Rows = [("Begun", str(log.begun))] if log.begun else []
    rows += [("Training, by its log", duration(log.seconds))] if log.seconds else []
    speed = log.speed.y
    return [*rows, ("Seconds an iteration, mean", number(sum(speed) / len(speed)))] if speed else rows
