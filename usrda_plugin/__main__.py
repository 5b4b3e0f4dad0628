"""``python -m usrda_plugin train ...`` is ``basicsr train ...``, for torchrun."""

from __future__ import annotations

import sys

from usrda_plugin.cli.basicsr import main

if __name__ == "__main__":
    sys.exit(main())
