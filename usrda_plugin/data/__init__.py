"""The training data: unpaired data sets on disk or LMDB, the source degradation, the sample stream."""

import usrda_plugin.before_basicsr  # noqa: F401
from usrda_plugin.data.degradation import bicubic_downsample
from usrda_plugin.data.environment import lmdb_environment
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.layout import Layout
from usrda_plugin.data.lmdb import make_lmdb
from usrda_plugin.data.sampler import StreamSampler, draws
from usrda_plugin.data.unpaired import USRDADataset, USRDASourceDataset
from usrda_plugin.data.verify import verify_lmdb

__all__ = [
    "ImageSource",
    "Layout",
    "StreamSampler",
    "USRDADataset",
    "USRDASourceDataset",
    "bicubic_downsample",
    "draws",
    "lmdb_environment",
    "make_lmdb",
    "verify_lmdb",
]
