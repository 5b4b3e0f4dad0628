"""Write the JSON Schema of option files: ``python -m usrda_plugin.options FILE``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from usrda_plugin.options.export import json_schema


def main() -> None:
    """Write the schema to the file named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m usrda_plugin.options", description="Export the schema of option files."
    )
    parser.add_argument("file", type=Path, help="JSON file to write, e.g. options/schema.json")
    parser.parse_args().file.write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
