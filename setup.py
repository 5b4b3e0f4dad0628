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
    packages=find_packages(include=["usrda_plugin", "usrda_plugin.*"]),
    package_data={"usrda_plugin": ["py.typed", "reports/templates/*"]},
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
    },
    entry_points={
        "console_scripts": ["basicsr = usrda_plugin.cli.basicsr:main", "usrda = usrda_plugin.cli.usrda:main"],
        "basicsr.plugins": ["usrda = usrda_plugin:register"],
    },
)
