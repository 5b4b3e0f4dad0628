"""Data sets whose layout is not known here, tried by building them: BasicSR's of clips and faces."""

from __future__ import annotations

import logging
from copy import deepcopy

from usrda_plugin.options.registered import DATASETS, find, is_foreign
from usrda_plugin.options.schema_data import OtherDataset, dataset_model
from usrda_plugin.options.validation import Options, Review


def try_datasets(review: Review) -> None:
    """Build each of BasicSR's data sets whose roots have not been looked at; what it stumbles over is a fault."""
    for phase, dataset in review.datasets():
        name = dataset.get("type")
        unknown = not dataset_model(name).roots and dataset_model(name) is not OtherDataset
        wrong = any(fault.keys[:2] == ("datasets", phase) for fault in review.faults)
        if unknown and not wrong and not is_foreign(DATASETS, name):
            _try(review, phase, dataset)


def _try(review: Review, phase: str, dataset: Options) -> None:
    keys, item = ("datasets", phase), find(DATASETS, dataset.get("type"))
    opt = {"scale": review.opt.get("scale"), **deepcopy(dataset), "phase": phase.split("_")[0]}
    opt.setdefault("io_backend", {"type": "disk"})
    logging.disable(logging.INFO)
    try:
        item(opt)
    except KeyError as error:
        key = str(error.args[0])
        review.fault((*keys, key), f"{key} is missing; {item.__name__} reads it", f"add {key} below datasets: {phase}")
    except (ValueError, TypeError, AttributeError, LookupError, OSError, AssertionError, NotImplementedError) as error:
        review.fault(keys, f"{item.__name__} refuses these options: {error}", "correct them")
    finally:
        logging.disable(logging.NOTSET)
