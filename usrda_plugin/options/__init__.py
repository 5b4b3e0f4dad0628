"""Option files: read, inherited, checked before anything is created, and written plain for BasicSR."""

import usrda_plugin.before_basicsr
import usrda_plugin.before_mmengine  # noqa: F401
from usrda_plugin.options.load import dump_options, load_options, notes_on
from usrda_plugin.options.validation import OptionError, OptionsError

__all__ = ["OptionError", "OptionsError", "dump_options", "load_options", "notes_on"]
