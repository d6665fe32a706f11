"""A teacher without labels: two halves of one record belong together, halves of two patients do not.

Contrastive multi-segment coding, as CLOCS published it, on all twelve leads. What halves share is the heart, and
its rhythm, too: that is the known weakness.
"""

from training.methods.contract import Method
from training.methods.contrast import Contrast, ContrastOptions
from training.methods.options import Needs

METHOD = Method(
    "cmsc",
    "contrast the halves of records, all twelve leads: a teacher without labels",
    ContrastOptions,
    Needs(all_leads=True),
    build=Contrast,
    label_free=True,
    paper="CLOCS, arXiv 2005.13249",
)
