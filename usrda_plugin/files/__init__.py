"""Files of tensors, read without running anything that is in them."""

from usrda_plugin.files.tensors import USUAL_KEYS, UnreadableFileError, read_tensors

__all__ = ["USUAL_KEYS", "UnreadableFileError", "read_tensors"]
