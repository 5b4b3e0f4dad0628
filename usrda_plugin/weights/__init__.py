"""Files of weights and of training states: read safely, told apart by content, fitted to a network."""

from usrda_plugin.weights.choosing import Chosen, choose
from usrda_plugin.weights.fitting import PARTS, Fit, MisfitError, fit, fit_loosely, fit_parts, load
from usrda_plugin.weights.limits import tensors_in
from usrda_plugin.weights.reading import NETWORK, UnreadableFileError, find_file, read_tensors, shown_path
from usrda_plugin.weights.recognition import Description, recognise
from usrda_plugin.weights.wording import quoted, shown, some

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
    "fit_loosely",
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
