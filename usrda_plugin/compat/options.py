"""Patches for option files, the command line, and the registries and constructors that options go to."""

from __future__ import annotations

import shlex
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from difflib import get_close_matches
from typing import Any

import yaml
from basicsr.models.base_model import BaseModel
from basicsr.utils import options as basicsr_options
from basicsr.utils.registry import DATASET_REGISTRY, Registry
from yaml.constructor import FullConstructor
from yaml.resolver import BaseResolver

from usrda_plugin.patch import patch, replace, replace_everywhere

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


@patch("safe_yaml", "option files are read with a YAML loader that runs code")
def read_yaml_safely() -> bool:
    """Read option files with a loader that cannot run code."""
    original = getattr(basicsr_options.ordered_yaml, "__wrapped__", basicsr_options.ordered_yaml)
    if not issubclass(original()[0], FullConstructor):
        return False
    return replace_everywhere(basicsr_options, "ordered_yaml", lambda original: lambda: (OrderedLoader, OrderedDumper))


@patch("local_rank", "torch.distributed.launch: unrecognized arguments --local-rank")
def accept_local_rank() -> bool:
    """Take ``--local-rank``, as torch.distributed.launch has spelt it since torch 2.0, for ``--local_rank``."""
    return replace_everywhere(basicsr_options, "parse_options", _with_local_rank)


def _with_local_rank(original: Callable[..., Any]) -> Callable[..., Any]:
    def parse_options(root_path: str, is_train: bool = True) -> Any:
        with command_line([word.replace("--local-rank", "--local_rank", 1) for word in sys.argv]):
            return original(root_path, is_train)

    return parse_options


@patch("recorded_command", "a line break in the command line ends up among the options of the saved file")
def record_command_on_one_line() -> bool:
    """Write the command line above the saved option file as one line of comment, whatever is in it."""
    return replace_everywhere(basicsr_options, "copy_opt_file", _with_quoted_words)


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


@patch("dataset_options", "a dataset pops keys out of its caller's options")
def keep_dataset_options() -> bool:
    """Let each of BasicSR's datasets take its options apart on a copy of its own."""
    for _, dataset in list(DATASET_REGISTRY):
        if dataset.__module__.split(".")[0] == "basicsr" and "__init__" in vars(dataset):
            replace(dataset, "__init__", _with_own_options)
    return True


@patch("model_options", "a model pops keys out of its caller's options")
def keep_model_options() -> bool:
    """Let a model take its options apart on a copy of its own."""
    return replace(BaseModel, "__init__", _with_own_options)


def _with_own_options(original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, opt: dict[str, Any]) -> None:
        original(self, deepcopy(opt))

    return __init__


class UnknownNameError(KeyError):
    """A registry has nothing under this name."""

    def __str__(self) -> str:
        return str(self.args[0])


@patch("registry_lookup", "an unknown type gives a bare KeyError after a misleading line")
def suggest_registered_names() -> bool:
    """Look names up in silence, and offer the nearest where there is none."""
    return replace(Registry, "get", lambda original: _get)


def _get(self: Any, name: str, suffix: str = "basicsr") -> Any:
    for key in (name, f"{name}_{suffix}"):
        if key in self._obj_map:
            return self._obj_map[key]
    known = [key.removesuffix(f"_{suffix}") for key in self._obj_map]
    nearest = get_close_matches(str(name), known, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(sorted(known))}"
    raise UnknownNameError(f"no {self._name} is registered under the name {name!r}: {hint} (a plugin may be missing)")


@patch("registry_twice", "registering a class a second time is an assertion error")
def register_same_class_twice() -> bool:
    """Let a module that is imported a second time register its classes again."""
    return replace(Registry, "_do_register", lambda original: _do_register)


def _do_register(self: Any, name: str, obj: Any, suffix: str | None = None) -> None:
    key = f"{name}_{suffix}" if isinstance(suffix, str) else name
    known = self._obj_map.get(key)
    if known is not None and _origin(known) != _origin(obj):
        raise ValueError(
            f"{key!r} is already registered as a {self._name} by {known.__module__}, and {obj.__module__} registers"
            " another under the same name; rename one, or load one plugin alone"
        )
    self._obj_map[key] = obj


def _origin(obj: Any) -> tuple[str, str]:
    return obj.__module__, obj.__qualname__
