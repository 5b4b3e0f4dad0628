"""USR-DA as the paper tells it, on bare torch: the one pass, the six terms, the critics' terms; and what goes beyond.

Read ``passes.py`` first, then ``terms.py`` and ``critics.py``; ``extensions.py`` and ``relativistic.py`` are not the
paper's. Nothing here knows of option files, optimizers or logs.
"""

from usrda_plugin.method.critics import CRITIC_TERMS, CriticTerm, Verdict, real_answers
from usrda_plugin.method.extensions import taught
from usrda_plugin.method.passes import ABSENT, ROUTES, Batch, Pass, Route, joint_pass, networks_used, one_pass
from usrda_plugin.method.relativistic import outdone
from usrda_plugin.method.step import Answers, Criteria, Critics, Relativistic, Step, Term
from usrda_plugin.method.terms import TERMS
from usrda_plugin.method.views import VIEWS, View, high_band, local_mean, luma

__all__ = [
    "ABSENT",
    "CRITIC_TERMS",
    "ROUTES",
    "TERMS",
    "VIEWS",
    "Answers",
    "Batch",
    "Criteria",
    "CriticTerm",
    "Critics",
    "Pass",
    "Relativistic",
    "Route",
    "Step",
    "Term",
    "Verdict",
    "View",
    "high_band",
    "joint_pass",
    "local_mean",
    "luma",
    "networks_used",
    "one_pass",
    "outdone",
    "real_answers",
    "taught",
]
