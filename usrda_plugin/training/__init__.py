"""A training that can be stopped at any moment: one process a folder, whole checkpoints, all that goes on with them."""

import usrda_plugin.before_basicsr  # noqa: F401
