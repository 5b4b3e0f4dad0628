"""Installation of usrda_plugin; tools are configured in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "usrda_plugin/__init__.py").read_text())[1]

setup(
    name="usrda_plugin",
    version=VERSION,
    description="USR-DA, unsupervised real-world super-resolution by domain adaptation, as a plugin of BasicSR",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",  # BasicSR 1.4.2 does not build on 3.13
    # option files are edited in options/ and installed as usrda_plugin/recipes, but for the demo's, whose data are not
    packages=[*find_packages(include=["usrda_plugin", "usrda_plugin.*"]), "usrda_plugin.recipes"],
    package_dir={"usrda_plugin.recipes": "options"},
    package_data={
        "usrda_plugin": [
            "py.typed",
            "pretrained/*.pth",
            "pretrained/*.md",
            "adaptation/templates/*",
            "reports/templates/*",
        ],
        "usrda_plugin.recipes": ["schema.json", "train_*.yml", "test_*.yml", "_base_/*.yml"],
    },
    exclude_package_data={"usrda_plugin.recipes": ["_base_/demo.yml"]},
    install_requires=[
        "basicsr>=1.4.2,<1.5",
        "torch>=2.6,<3",
        "torchvision>=0.21",
        "mmengine>=0.10.4,<0.11",
        "opencv-python>=4.11",
        "lmdb>=1.4",
        "numpy>=1.26",
        "pydantic>=2.7,<3",
        "Pillow>=11.3",
        "PyYAML>=6.0",
        "Jinja2>=3.1",
        "matplotlib>=3.8",
        "rich>=13",
        "rich-argparse>=1.4",
        "safetensors>=0.4.3",
        "scikit-image>=0.22",
        "torchmetrics>=1.4,<2",
    ],
    extras_require={
        "spandrel": ["spandrel"],  # opens networks of other kinds in `usrda compare`
        "dev": [
            "axe-core-python",
            "hypothesis",
            "jsonschema",
            "mypy",
            "pytest",
            "pytest-cov",
            "pytest-timeout",
            "pytest-xdist",
            "ruff",
            "selenium",
            "spandrel",
            "tifffile",
            "types-PyYAML",
        ],
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.6,<10", "mkdocstrings[python]>=1.0"],
    },
    entry_points={
        "console_scripts": ["basicsr = usrda_plugin.cli.basicsr:main", "usrda = usrda_plugin.cli.usrda:main"],
        "basicsr.plugins": ["usrda = usrda_plugin:register"],
    },
)
