"""Values forced on the command line over what the option file says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from usrda_plugin.options.faults import Fault, OptionsError
from usrda_plugin.options.inheritance import plain
from usrda_plugin.options.plain_yaml import NotYAMLError, oddities, read_yaml
from usrda_plugin.options.validation import COMMAND_LINE, Options, Source


def force(opt: Options, overrides: Sequence[str]) -> Source:
    """Put ``a:b:c=value`` into the options, making blocks where there are none; returns what was forced.

    Raises OptionsError for an override that cannot be read.
    """
    forced: Options = {}
    faults: list[Fault] = []
    for override in overrides:
        path, equals, text = override.partition("=")
        keys = [key.strip() for key in path.split(":")]
        try:
            value = read_yaml(text)
        except NotYAMLError as error:
            faults.append(Fault(tuple(keys), COMMAND_LINE, str(error), "quote the value for the shell and for YAML"))
            continue
        odd = [Fault(oddity.keys, COMMAND_LINE, *oddity[1:]) for oddity in oddities(value, tuple(keys))]
        if odd:
            faults += odd
            continue
        if not equals or not all(keys):
            faults.append(
                Fault((), COMMAND_LINE, f"cannot read {override!r}", "write block:key=value, e.g. train:total_iter=100")
            )
            continue
        # BasicSR's own spelling of "nothing"
        value = None if isinstance(value, str) and value.lower() == "none" else plain(value)
        _put(opt, keys, value)
        _put(forced, keys, value)
    if faults:
        raise OptionsError(COMMAND_LINE, faults)
    return Source(COMMAND_LINE, forced)


def _put(opt: Options, keys: Sequence[str], value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(opt.get(key), dict):
            opt[key] = {}
        opt = opt[key]
    opt[keys[-1]] = value
