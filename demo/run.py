"""`make demo`: take a network that has seen clean pairs alone, adapt it to photographs of an unknown camera, show what
that brought.

Every step is a command that anyone can type; the demo types it, shows how far it is, and puts the results side by side.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

sys.path.insert(0, str(Path(__file__).parent))
from photographs import write_photographs
from record import write_record
from report import Result, compare, draw_picture, print_table

ROOT = Path(__file__).parents[1]
OUT = ROOT / "demo/out"
STEPS = {
    "bicubic": ["test", "-opt", "options/demo_bicubic.yml"],
    "source-only": ["test", "-opt", "options/demo_source_only.yml"],
    "adapted": ["train", "-opt", "options/demo_usrda.yml"],
}
WEIGHTS = "experiments/demo_usrda/models/net_g_latest.pth"
ITERATION = re.compile(r"iter:\s*([\d,]+)")
TOTAL = re.compile(r"Total epochs: \d+; iters: (\d+)")
METRIC = re.compile(r"# (\w+): (-?[\d.]+|nan|inf)")

console = Console()


def main() -> int:
    """Run the demo; 0 where the adapted network beats the source-only one, 1 where it does not, 2 for a failed step."""
    started = time.monotonic()
    write_photographs(OUT / "photographs")
    results: dict[str, Result] = {}
    with Progress(
        TextColumn("{task.description:<36}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        tasks = {name: progress.add_task(f"{name}: basicsr {arguments[0]}", total=None, start=False)
                 for name, arguments in STEPS.items()}  # fmt: skip
        for name, arguments in STEPS.items():
            begun = time.monotonic()
            log = run(arguments, OUT / f"{name}.log", progress, tasks[name])
            results[name] = Result(dict_of_metrics(log), pictures_of(arguments[2]), iterations_of(log),
                                   time.monotonic() - begun)  # fmt: skip
    write_record(OUT / "results.json", results, WEIGHTS, STEPS["adapted"][2])
    print_table(console, results)
    picture = draw_picture(results, OUT / "photographs", OUT / "demo.png")
    seconds = time.monotonic() - started
    console.print(f"\npicture: [bold]{picture.relative_to(ROOT)}[/]    weights: {WEIGHTS}")
    console.print(f"{seconds / 60:.1f} minutes; the logs are in {OUT.relative_to(ROOT)}")
    return compare(console, results)


def run(arguments: list[str], log_file: Path, progress: Progress, task: TaskID) -> str:
    """Run a `basicsr` command to its end, moving the progress bar by what it logs; returns its log."""
    progress.start_task(task)
    command = [sys.executable, "-m", "usrda_plugin", *arguments]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert child.stdout is not None
    with log_file.open("w", buffering=1) as log:
        for line in child.stdout:
            log.write(line)
            if total := TOTAL.search(line):
                progress.update(task, total=int(total[1]))
            if iteration := ITERATION.search(line):
                progress.update(task, completed=int(iteration[1].replace(",", "")))
    text = log_file.read_text()
    if child.wait():
        progress.stop()
        console.print(f"[red]failed:[/] basicsr {' '.join(arguments)}\n{text[-2000:]}", highlight=False)
        raise SystemExit(2)
    finished = progress.tasks[task].total or 1
    progress.update(task, total=finished, completed=finished)
    return text


def dict_of_metrics(log: str) -> dict[str, float]:
    """The last value of each metric that BasicSR's validation logged."""
    return {name: float(value) for name, value in METRIC.findall(log)}


def iterations_of(log: str) -> int:
    """How many iterations were trained."""
    total = TOTAL.search(log)
    return int(total[1]) if total else 0


def pictures_of(option_file: str) -> list[Path]:
    """The pictures that the validation of a run saved, in the order of their names."""
    name = Path(option_file).stem
    folders = [ROOT / "experiments" / name / "visualization", ROOT / "results" / name / "visualization"]
    return sorted(picture for folder in folders for picture in folder.rglob("*.png"))


if __name__ == "__main__":
    sys.exit(main())
