"""SelfMIS as published: a lead cut from the record itself is aligned with what a frozen teacher sees in all leads.

The teacher reads the whole twelve-lead record, the student one lead of it; the pair of both is what belongs
together, everything else in the batch is what does not. No augmentation, no labels (unless the teacher had some).
"""

from torch import Tensor

from training.methods.alignment import Alignment, AlignmentOptions
from training.methods.contract import Batch, Floats, Method, Scores, Setup, Trained, Truth
from training.methods.options import Needs
from training.methods.views import View


class SelfMIS(Trained):
    """A student encoder and its way into the teacher's space."""

    def __init__(self, setup: Setup, options: AlignmentOptions) -> None:
        super().__init__(setup)
        self.view = View(options, setup)
        self.alignment = Alignment(setup, options)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Trained.forward`."""
        loss: Tensor = self.alignment(self.encoder(self.view.training(batch)), batch)
        return loss, {"alignment": loss.detach()}

    def predict(self, windows: Tensor, context: Tensor | None = None) -> Tensor:
        """Unit vectors in the teacher's space; see `Alignment.predict`."""
        return self.alignment.predict(self.encoder(self.view.plain(windows)), context)

    def measure(self, predictions: Floats, truth: Truth) -> Scores:
        """How often a record finds its own twelve leads."""
        scores = self.alignment.measure(predictions, truth)
        return {"score": scores["retrieval_1"], **scores}


METHOD = Method(
    "selfmis",
    "align one lead with a frozen twelve-lead teacher (the paper)",
    AlignmentOptions,
    Needs(teacher=True),
    build=SelfMIS,
    label_free=True,
    paper="SelfMIS, arXiv 2509.19397",
)
