"""The card of a network that is shipped: what it is for, what it is worth, how it was made, whose photographs it saw.

The text is in cards/. The front matter is YAML as in Hugging Face's model cards, so that programs read the numbers too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from report import COLUMNS
from tables import DIGITS, markdown, number

from usrda_plugin.weights.reading import NETWORK

TEXTS = Path(__file__).parent / "cards"
TERMS = {
    "BSDS500": "of Berkeley: non-commercial research",
    "Urban100": "of jbhuang0604/SelfExSR: no terms stated",
    "City100": "of ngchc/CameraSR: MIT",
    "scikit-image": "the photographs that are installed with it, as its documentation says: CC0 for coffee (by Rachel\n"
    "  Michetti), camera (Lav Varshney), chelsea (Stéfan van der Walt), retina (Mikael Häggström), brick and gravel\n"
    "  (CC0Textures); public domain for astronaut and hubble_deep_field (NASA) and rocket (SpaceX); no known\n"
    "  copyright restrictions for coins (Brooklyn Museum) and ihc (CMMI); no terms stated for motorcycle_left and\n"
    "  motorcycle_right (Middlebury stereo benchmark) and moon",
}

Means = Mapping[str, float | None]
"""Mean metrics of a network on some photographs."""


class Comparison(NamedTuple):
    """Networks side by side on the same photographs.

    ``dataset``, ``photographs``: what programs call these. ``means``: by the title of the network, less the shipped
    one, whose are ``own``.
    """

    dataset: str
    photographs: str
    title: str
    means: Mapping[str, Means]
    own: Means


class Subject(NamedTuple):
    """A network that is shipped, and what is said of it.

    ``content``: of its file. ``metrics``: names in COLUMNS. ``training``: what programs read of it; seed, iterations,
    seconds, threads, versions and commit are told to people too. ``seen``: names in TERMS. ``texts``: files of cards/
    in their order; ``words``: what they leave open beside that.
    """

    content: Mapping[str, Any]
    metrics: Sequence[str]
    comparisons: Sequence[Comparison]
    training: Mapping[str, Any]
    seen: Sequence[str]
    texts: Sequence[str]
    words: Mapping[str, Any]

    @property
    def factor(self) -> int:
        """HR over LR side."""
        return self.content[NETWORK]["scale"]

    def parameters(self, part: str) -> int:
        """How many numbers a part of the network has in the file."""
        return sum(value.numel() for key, value in self.content["params"].items() if key.startswith(f"{part}."))


def card(subject: Subject, file: Path) -> str:
    """The whole card of the network in ``file``: Markdown behind YAML."""
    weights = _weights(file)
    front = yaml.safe_dump(front_matter(subject, weights), sort_keys=False, allow_unicode=True, width=110)
    text = "".join((TEXTS / name).read_text(encoding="utf-8") for name in subject.texts)
    return f"---\n{front}---\n\n" + text.format(**_words(subject, weights), name=file.stem)


def _weights(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    return {"file": file.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def front_matter(subject: Subject, weights: Mapping[str, Any]) -> dict[str, Any]:
    """What programs read: terms, the file and its sum, what trained it, and its numbers."""
    name = Path(weights["file"]).stem
    return {
        "license": "other",
        "license_name": "non-commercial-research",
        "library_name": "usrda_plugin",
        "pipeline_tag": "image-to-image",
        "tags": ["super-resolution", "unsupervised-domain-adaptation", "basicsr", "pytorch"],
        "datasets": list(subject.seen),
        "metrics": list(subject.metrics),
        "weights": dict(weights),
        "training": dict(subject.training),
        "model-index": [{"name": name, "results": [_result(subject, each) for each in subject.comparisons]}],
    }


def _result(subject: Subject, comparison: Comparison) -> dict[str, Any]:
    """The numbers of a comparison, with as many digits as other machines meet."""
    told = {name: value for name in subject.metrics if (value := comparison.own[name]) is not None}
    return {
        "task": {"type": "image-to-image", "name": f"super-resolution x{subject.factor}"},
        "dataset": {"type": comparison.dataset, "name": comparison.photographs},
        "metrics": [
            {"type": name, "name": COLUMNS[name].rstrip(" ↑↓"), "value": round(value, DIGITS[name])}
            for name, value in told.items()
        ],
    }


def _words(subject: Subject, weights: Mapping[str, Any]) -> dict[str, Any]:
    """What the texts leave open."""
    training = subject.training
    network = yaml.safe_dump(dict(subject.content[NETWORK]), sort_keys=False)
    return {
        **subject.words,
        "factor": subject.factor,
        "numbers": "\n".join(_table(subject, each, Path(weights["file"]).stem) for each in subject.comparisons),
        **{key: training[key] for key in ("seed", "iterations", "threads")},
        "s": "s" * (training["threads"] > 1),
        "minutes": _minutes(training["seconds"]),
        "made_by": ", ".join(f"{name} {value}" for name, value in training["versions"].items()),
        "commit": _commit(training["commit"]),
        "size": weights["bytes"],
        "sha256": weights["sha256"],
        "parameters": _parameters(subject),
        "network": "".join(f"      {line}\n" for line in network.splitlines()),
        "terms": "\n".join(f"* {name}, {TERMS[name]}" for name in subject.seen),
    }


def _minutes(seconds: float | None) -> str:
    # a training that was killed on its way has lost its clock
    return "an unknown number of" if seconds is None else f"{seconds / 60:.1f}"


def _parameters(subject: Subject) -> str:
    parts = {"E": "encoder", "G_SR": "sr_decoder", "G_t": "lr_decoder"}
    return ", ".join(f"{name} {count}" for name, part in parts.items() if (count := subject.parameters(part)))


def _commit(commit: str | None) -> str:
    if commit is None:
        return "not known"
    return commit.rstrip("+") + ", with changes" * commit.endswith("+")


def _table(subject: Subject, comparison: Comparison, name: str) -> str:
    rows = {**comparison.means, f"**{name}**": comparison.own}
    lines = [[title, *(number(means[metric], metric) for metric in subject.metrics)] for title, means in rows.items()]
    header = ["network", *(COLUMNS[metric] for metric in subject.metrics)]
    return f"{comparison.title}:\n\n" + markdown(header, lines)
