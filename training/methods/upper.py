"""The upper bound: labels from scratch with all twelve leads. Its run is the usual teacher."""

from training.methods.contract import Method, Needs, Options
from training.methods.supervised import Supervised

METHOD = Method(
    "upper",
    "labels from scratch, on all twelve leads",
    Options,
    Needs(labels=True, all_leads=True),
    build=Supervised,
)
