"""Option files: read, inherited, checked before anything is created, and written plain for BasicSR."""

import usrda_plugin.before_mmengine  # noqa: F401
from usrda_plugin.options.export import json_schema
from usrda_plugin.options.faults import Fault, OptionsError
from usrda_plugin.options.load import dump_options, load_options
from usrda_plugin.options.notes import notes_on
from usrda_plugin.options.weights import weights_fit

__all__ = ["Fault", "OptionsError", "dump_options", "json_schema", "load_options", "notes_on", "weights_fit"]
