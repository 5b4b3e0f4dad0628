"""USR-DA as the paper tells it, on bare torch: the one pass, the six terms, the critics' terms.

Read ``passes.py`` first, then ``terms.py`` and ``critics.py``. Nothing here knows of option files, optimizers or logs.
"""

from usrda_plugin.method.critics import CRITIC_TERMS, CriticTerm, Verdict
from usrda_plugin.method.passes import ABSENT, ROUTES, Batch, Pass, Route, joint_pass, networks_used, one_pass
from usrda_plugin.method.terms import TERMS, Criteria, Critics, Step, Term
from usrda_plugin.method.views import VIEWS, View, high_band, luma

__all__ = [
    "ABSENT",
    "CRITIC_TERMS",
    "ROUTES",
    "TERMS",
    "VIEWS",
    "Batch",
    "Criteria",
    "CriticTerm",
    "Critics",
    "Pass",
    "Route",
    "Step",
    "Term",
    "Verdict",
    "View",
    "high_band",
    "joint_pass",
    "luma",
    "networks_used",
    "one_pass",
]
