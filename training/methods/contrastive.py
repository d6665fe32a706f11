"""What one lead can teach itself without labels: contrast between patients, and within a patient over time."""

from dataclasses import dataclass

from training.methods.contract import Method
from training.methods.contrast import Contrast, ContrastOptions
from training.methods.options import Needs


@dataclass(frozen=True, kw_only=True)
class ContrastiveOptions(ContrastOptions):
    """As SimCLR for ECGs was published: random crops and blanks, and a hidden layer."""

    views: str = "augmented"
    crop: float = 0.5
    blank: float = 0.5
    hidden: int = 256


METHOD = Method(
    "contrastive",
    "contrast two views of the one lead: disturbed twice, its halves, or both",
    ContrastiveOptions,
    Needs(),
    build=Contrast,
    label_free=True,
    paper="SimCLR, arXiv 2002.05709, with the disturbances of arXiv 2103.12676; CLOCS, arXiv 2005.13249",
)
