"""The card of a network that is shipped: what it is for, what it is worth, how it was made, whose photographs it saw.

The text is in cards/. The front matter is YAML as in Hugging Face's model cards, so that programs read the numbers too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from domains import DOMAINS
from report import COLUMNS
from rows import ROWS
from tables import DIGITS, markdown, number
from trainings import Cell

from usrda_plugin.models.checkpoints import NETWORK

TEXTS = Path(__file__).parent / "cards"
CAMERAS = {"nikon": "Nikon D5500", "iphone": "iPhone X"}
TERMS = {
    "BSDS500": "of Berkeley: non-commercial research",
    "Urban100": "of jbhuang0604/SelfExSR: no terms stated",
    "City100": "of ngchc/CameraSR: MIT",
}

Cells = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""The content of metrics.json, by domain and row."""


class Subject(NamedTuple):
    """A network that is shipped.

    ``content``: of its file, whose ``size`` is in bytes. ``photographs``: how many the folders of source and target
    have that its training could see.
    """

    name: str
    cell: Cell
    content: Mapping[str, Any]
    size: int
    sha256: str
    photographs: tuple[int, int]

    @property
    def adapted(self) -> bool:
        """Whether it has seen photographs of the target."""
        return self.cell.row != "source_only"

    def parameters(self, part: str) -> int:
        """How many numbers a part of the network has in the file."""
        return sum(value.numel() for key, value in self.content["params"].items() if key.startswith(f"{part}."))


def card(subject: Subject, cells: Cells) -> str:
    """The whole card: Markdown behind YAML."""
    front = yaml.safe_dump(front_matter(subject, cells), sort_keys=False, allow_unicode=True, width=110)
    purpose = "adapted.md" if subject.adapted else "source_only.md"
    text = "\n".join((TEXTS / file).read_text(encoding="utf-8") for file in (purpose, "common.md"))
    return f"---\n{front}---\n\n" + text.format(**_words(subject, cells))


def front_matter(subject: Subject, cells: Cells) -> dict[str, Any]:
    """What programs read: terms, the file and its sum, what trained it, and its numbers."""
    metrics = cells[subject.cell.domain][subject.cell.row]
    return {
        "license": "other",
        "license_name": "non-commercial-research",
        "library_name": "usrda_plugin",
        "pipeline_tag": "image-to-image",
        "tags": ["super-resolution", "unsupervised-domain-adaptation", "basicsr", "pytorch"],
        "datasets": _photographed(subject),
        "metrics": list(COLUMNS),
        "weights": {"file": f"{subject.name}.pth", "bytes": subject.size, "sha256": subject.sha256},
        "training": {
            **{key: metrics[key] for key in ("scale", "row", "seed")},
            # of the one training of a row that is not cross-validated
            **{key: metrics[key][0] for key in ("iterations", "published_iter", "seconds", "threads")},
            **{key: metrics[key] for key in ("versions", "commit")},
        },
        "model-index": [{"name": subject.name, "results": [_result(subject, domain, cells) for domain in cells]}],
    }


def _photographed(subject: Subject) -> list[str]:
    return [name for name in TERMS if subject.adapted or name != "City100"]


def _result(subject: Subject, domain: str, cells: Cells) -> dict[str, Any]:
    """The numbers of a domain, with as many digits as other machines meet."""
    mean, scenes = cells[domain][subject.cell.row]["mean"], _scenes(cells, domain)
    return {
        "task": {"type": "image-to-image", "name": f"super-resolution x{DOMAINS[domain].factor}"},
        "dataset": {"type": f"city100_{domain}", "name": f"City100 {CAMERAS[domain]}, scenes {scenes}"},
        "metrics": [
            {"type": name, "name": title.rstrip(" ↑↓"), "value": round(mean[name], DIGITS[name])}
            for name, title in COLUMNS.items()
            if mean[name] is not None
        ],
    }


def _scenes(cells: Cells, domain: str) -> str:
    names = sorted(next(iter(cells[domain].values()))["images"])
    return f"{names[0]} to {names[-1]}"


def _words(subject: Subject, cells: Cells) -> dict[str, Any]:
    """What the texts leave open."""
    cell, metrics = subject.cell, cells[subject.cell.domain][subject.cell.row]
    last, kept = metrics["iterations"][0], metrics["published_iter"][0]
    rows = f"source_only {cell.row}" if subject.adapted else cell.row
    what = f"--scale {cell.scale} --domains {cell.domain} --rows {rows} --seeds {cell.seed}"
    network = yaml.safe_dump(dict(subject.content[NETWORK]), sort_keys=False)
    return {
        **subject._asdict(),
        **cell._asdict(),
        "factor": DOMAINS[cell.domain].factor,
        "camera": CAMERAS[cell.domain],
        "target": subject.photographs[1],
        "photographs": _photographs(subject),
        "numbers": "\n".join(_table(subject, domain, cells) for domain in cells),
        "count": len(metrics["images"]),
        "folder": f"benchmarks/adaptation/results/{cell.folder.as_posix()}",
        "command": f"python benchmarks/adaptation/run.py {what}",
        "iterations": last,
        "start": "[usrda_source_only_x2](usrda_source_only_x2.md)" if subject.adapted else "random weights",
        "minutes": f"{metrics['seconds'][0] / 60:.1f}",
        "threads": metrics["threads"][0],
        "s": "s" * (metrics["threads"][0] > 1),
        "stand": "at the end" if kept == last else f"at iteration {kept}, chosen without ground truth",
        "made_by": ", ".join(f"{name} {value}" for name, value in metrics["versions"].items()),
        "commit": _commit(metrics["commit"]),
        "parameters": _parameters(subject),
        "network": "".join(f"      {line}\n" for line in network.splitlines()),
        "ship": f"python benchmarks/adaptation/ship.py --scale {cell.scale} --seed {cell.seed}",
        "terms": "\n".join(f"* {name}, {TERMS[name]}" for name in _photographed(subject)),
    }  # fmt: skip


def _photographs(subject: Subject) -> str:
    source, target = subject.photographs
    told = f"{source} of BSDS500 and Urban100, halved as the options say"
    lr = f"; {target} LR photographs of City100's {CAMERAS[subject.cell.domain]}, without HR"
    return told + (lr if subject.adapted else "")


def _parameters(subject: Subject) -> str:
    parts = {"E": "encoder", "G_SR": "sr_decoder", "G_t": "lr_decoder"}
    return ", ".join(f"{name} {count}" for name, part in parts.items() if (count := subject.parameters(part)))


def _commit(commit: str | None) -> str:
    if commit is None:
        return "not known"
    return commit.rstrip("+") + ", with changes" * commit.endswith("+")


def _table(subject: Subject, domain: str, cells: Cells) -> str:
    lines = [
        [f"**{subject.name}**" if row == subject.cell.row else ROWS[row].title,
         *(number(metrics["mean"][name], name) for name in COLUMNS)]
        for row, metrics in cells[domain].items()
    ]  # fmt: skip
    title = f"City100, {CAMERAS[domain]}, scenes {_scenes(cells, domain)}, of which training has seen none:\n\n"
    return title + markdown(["network", *COLUMNS.values()], lines)
