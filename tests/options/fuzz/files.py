"""The files of a fuzz: number n of a seed is always the same one."""

from __future__ import annotations

import json
from random import Random
from typing import Any, NamedTuple

import yaml

from tests.options.fuzz import mutations, texts
from tests.options.fuzz.workplace import Start, Workplace

Options = dict[str, Any]
FUZZED = "fuzzed.yml"


class Spoilt(NamedTuple):
    """A file to be tried: what to write below options/, which file to load, and what was done to it.

    ``words``: keys of which a refusal must name one; none where that cannot be told.
    """

    told: str
    written: dict[str, bytes]
    file: str
    is_train: bool
    overrides: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()


def spoilt(workplace: Workplace, seed: int, number: int) -> Spoilt:
    """File ``number``: a mutation of a shipped file, of its bases, of all it inherits, or of its command line."""
    rng = Random(f"{seed} {number}")
    starts = workplace.starts()
    start = starts[number % len(starts)]
    how = rng.choice((_tree, _resolved, _resolved, _resolved, _base, _text, _text, _text_of_resolved, _forced))
    made: Spoilt = how(rng, workplace, start)
    return made


def written(options: Options) -> bytes:
    """Options as YAML."""
    text = yaml.safe_dump(options, sort_keys=False, allow_unicode=True)
    return text.encode("utf-8", "surrogatepass")


def _tree(rng: Random, workplace: Workplace, start: Start) -> Spoilt:
    return _mutated(rng, workplace, start, yaml.safe_load(start.text), FUZZED, FUZZED)


def _resolved(rng: Random, workplace: Workplace, start: Start) -> Spoilt:
    return _mutated(rng, workplace, start, workplace.resolved[start.name], FUZZED, FUZZED)


def _base(rng: Random, workplace: Workplace, start: Start) -> Spoilt:
    base = rng.choice(sorted(file.name for file in (workplace.options / "_base_").iterdir()))
    content = yaml.safe_load((workplace.options / "_base_" / base).read_text())
    return _mutated(rng, workplace, start, content, f"_base_/{base}", start.name)


def _mutated(rng: Random, workplace: Workplace, start: Start, tree: Options, target: str, file: str) -> Spoilt:
    mutated, changes = mutations.mutate(rng, tree)
    # where bases stand behind what was changed, other keys may be at fault
    words = changes[0].words if len(changes) == 1 and tree is workplace.resolved[start.name] else frozenset()
    told = f"{start.name}: {'; '.join(change.told for change in changes)}"
    return Spoilt(told, {target: written(mutated)}, file, start.is_train, words=words)


def _text(rng: Random, workplace: Workplace, start: Start) -> Spoilt:
    content, how = texts.spoil(rng, start.text)
    return Spoilt(f"{start.name}: {how}", {FUZZED: content, **texts.COMPANIONS}, FUZZED, start.is_train)


def _text_of_resolved(rng: Random, workplace: Workplace, start: Start) -> Spoilt:
    content, how = texts.spoil(rng, written(workplace.resolved[start.name]).decode())
    return Spoilt(f"{start.name}, whole: {how}", {FUZZED: content, **texts.COMPANIONS}, FUZZED, start.is_train)


def _forced(rng: Random, workplace: Workplace, start: Start) -> Spoilt:
    """Values forced on the command line: mutated ones of the file, or texts."""
    mutated, _ = mutations.mutate(rng, workplace.resolved[start.name])
    place = rng.choice(mutations.places(mutated) or [("name",)])
    value = mutations.value_at(mutated, place) if mutations.places(mutated) else "x"
    given = rng.choice((json.dumps(value, default=str), rng.choice(texts.TAGS), rng.choice(texts.TAGS), "None", ""))
    override = rng.choice(
        (f"{':'.join(place)}={given}", f"{':'.join(place)}={given}", given, f":{given}=", f"a:={given}")
    )
    return Spoilt(f"{start.name} --force_yml {override[:200]!r}", {}, start.name, start.is_train, (override,))
