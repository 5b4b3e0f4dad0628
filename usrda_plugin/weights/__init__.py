"""Files of weights and of training states: read safely, told apart by content, fitted to a network."""

from usrda_plugin.weights.choosing import Chosen, choose
from usrda_plugin.weights.fitting import Fit, fit, fit_parts, load
from usrda_plugin.weights.layouts import PARTS
from usrda_plugin.weights.limits import tensors_in
from usrda_plugin.weights.messages import MisfitError, quoted, shown, shown_path, some
from usrda_plugin.weights.reading import NETWORK, UnreadableFileError, find_file, read_tensors
from usrda_plugin.weights.recognition import Description, recognise

__all__ = [
    "NETWORK",
    "PARTS",
    "Chosen",
    "Description",
    "Fit",
    "MisfitError",
    "UnreadableFileError",
    "choose",
    "find_file",
    "fit",
    "fit_parts",
    "load",
    "quoted",
    "read_tensors",
    "recognise",
    "shown",
    "shown_path",
    "some",
    "tensors_in",
]
