"""Seams for how BasicSR reads its command line and its option file."""

from __future__ import annotations

import shlex
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import yaml
from yaml.constructor import FullConstructor
from yaml.resolver import BaseResolver

from usrda_plugin.compat.record import replace_everywhere

_C_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_C_DUMPER: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class OrderedLoader(_C_LOADER):
    """A safe YAML loader that keeps mappings in order."""


class OrderedDumper(_C_DUMPER):
    """A safe YAML dumper that writes ``OrderedDict`` as a plain mapping."""


OrderedLoader.add_constructor(
    BaseResolver.DEFAULT_MAPPING_TAG, lambda loader, node: OrderedDict(loader.construct_pairs(node))
)
OrderedDumper.add_representer(OrderedDict, lambda dumper, data: dumper.represent_dict(data.items()))


def read_yaml_safely() -> bool:
    """Read option files with a loader that cannot run code."""
    options = import_module("basicsr.utils.options")
    original = getattr(options.ordered_yaml, "__wrapped__", options.ordered_yaml)
    if not issubclass(original()[0], FullConstructor):
        return False
    return replace_everywhere(options, "ordered_yaml", lambda original: lambda: (OrderedLoader, OrderedDumper))


def accept_local_rank() -> bool:
    """Take ``--local-rank``, as torch.distributed.launch has spelt it since torch 2.0, for ``--local_rank``."""
    return replace_everywhere(import_module("basicsr.utils.options"), "parse_options", _with_local_rank)


def _with_local_rank(original: Callable[..., Any]) -> Callable[..., Any]:
    def parse_options(root_path: str, is_train: bool = True) -> Any:
        with command_line([word.replace("--local-rank", "--local_rank", 1) for word in sys.argv]):
            return original(root_path, is_train)

    return parse_options


def record_command_on_one_line() -> bool:
    """Write the command line above the saved option file as one line of comment, whatever is in it."""
    return replace_everywhere(import_module("basicsr.utils.options"), "copy_opt_file", _with_quoted_words)


def _with_quoted_words(original: Callable[..., None]) -> Callable[..., None]:
    def copy_opt_file(opt_file: str, experiments_root: str) -> None:
        with command_line([" ".join(shlex.quote(word).splitlines()) for word in sys.argv]):
            original(opt_file, experiments_root)

    return copy_opt_file


@contextmanager
def command_line(words: list[str]) -> Iterator[None]:
    """While open, ``sys.argv`` is this: BasicSR reads it wherever it likes."""
    typed = sys.argv
    sys.argv = words
    try:
        yield
    finally:
        sys.argv = typed
