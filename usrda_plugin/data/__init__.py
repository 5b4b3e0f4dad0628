"""The training data: unpaired data sets on disk or LMDB, the source degradation, the sample stream."""

import usrda_plugin.before_basicsr  # noqa: F401
from usrda_plugin.data.backends import lmdb_environment
from usrda_plugin.data.bundled import bundled_photographs
from usrda_plugin.data.camera import Camera
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.lmdb import TilingSpec, make_lmdb, verify_lmdb
from usrda_plugin.data.resize import bicubic_downsample
from usrda_plugin.data.sampler import StreamSampler, sample_rng
from usrda_plugin.data.unpaired import USRDADataset, USRDASourceDataset

__all__ = [
    "Camera",
    "ImageSource",
    "StreamSampler",
    "TilingSpec",
    "USRDADataset",
    "USRDASourceDataset",
    "bicubic_downsample",
    "bundled_photographs",
    "lmdb_environment",
    "make_lmdb",
    "sample_rng",
    "verify_lmdb",
]
