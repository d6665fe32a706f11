"""What a training run was asked to do (`Plan`) and where it should run (`Place`); both refuse nonsense.

A plan decides the result, a place does not: a run may be resumed at another place, but never with another plan.
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import SelfmisError
from shared.frames import LEADS

if TYPE_CHECKING:
    # Methods and encoders bring torch, which takes seconds: a plan that is not made needs none of it.
    from training.methods import Method, Needs, Options


class PlanError(SelfmisError):
    """A training run cannot be done as asked."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that decides what comes out of a run."""

    method: str
    store: Path
    options: tuple[str, ...] = ()
    encoder: str = "small"
    lead: str = "I"
    teacher: Path | None = None
    folds: tuple[int, ...] = tuple(range(1, 9))
    validate: tuple[int, ...] = (9,)  # never trained on; empty: no validation
    sources: tuple[str, ...] = ()  # empty: all
    statements: int | None = None  # also classify every statement with so many positives
    labels: float = 1.0  # share of the labelled patients that may be learnt from; the others are left out
    epochs: int = 30
    batch: int = 64  # of all workers together
    lr: float = 1e-3  # at the top, after the warm-up
    schedule: str = "cosine"  # or exponential: how the rate falls to `final_lr`
    final_lr: float = 0.01  # of lr, at the end
    warmup: float = 0.05  # of all steps, during which the rate rises from 0
    weight_decay: float = 0.01  # on matrices and kernels only
    clip: float = 1.0  # largest norm of the gradient
    ema: float = 0.0  # validate and keep a moving average of the weights that forgets so slowly; 0: the weights
    seed: int = 0
    keep: str = "last"  # or best: the epoch with the best validation score
    checkpoint_every: int = 500  # steps; and at the end of every epoch
    norm_records: int = 0  # of a batch, that a batch norm takes together; 0: the whole batch

    def __post_init__(self) -> None:
        from shared.encoder import names  # noqa: PLC0415 - slow to import

        method = self.recipe()
        self.method_options()
        if self.encoder not in names():
            raise PlanError(f"no encoder {self.encoder!r:.60}; there are {', '.join(names())}")
        if self.lead not in LEADS:
            raise PlanError(f"no lead {self.lead!r:.60}; there are {', '.join(LEADS)}")
        for name, low in (("epochs", 1), ("batch", 2), ("checkpoint_every", 1), ("seed", 0)):
            if getattr(self, name) < low:
                raise PlanError(f"{name} must be at least {low}, not {getattr(self, name)}")
        for name, bottom, top in (
            ("lr", 0.0, 10.0),
            ("final_lr", 0.0, 1.0),
            ("warmup", -math.inf, 0.9),
            ("weight_decay", -math.inf, 10.0),
            ("clip", 0.0, math.inf),
            ("ema", -math.inf, 0.99999),
        ):
            value = getattr(self, name)
            if not max(bottom, -1e-12) < value <= top:
                raise PlanError(f"{name} must be above {max(bottom, 0):g} and at most {top:g}, not {value:g}")
        for name, allowed in (("schedule", ("cosine", "exponential")), ("keep", ("last", "best"))):
            if getattr(self, name) not in allowed:
                raise PlanError(f"{name} must be {' or '.join(allowed)}, not {getattr(self, name)!r:.60}")
        if self.norm_records and (self.norm_records < 2 or self.batch % self.norm_records):
            raise PlanError(
                f"norm_records must be 0, or at least 2 and a divisor of the batch of {self.batch},"
                f" not {self.norm_records}"
            )
        if not self.folds:
            raise PlanError("no folds to train on")
        if both := set(self.folds) & set(self.validate):
            raise PlanError(f"fold {min(both)} cannot be both trained on and validated on")
        if self.keep == "best" and not self.validate:
            raise PlanError("keeping the best epoch needs folds to validate on")
        if method.needs.teacher and self.teacher is None:
            raise PlanError(f"the method {self.method} aligns with a teacher: name its run folder with --teacher")
        if self.teacher is not None and not method.needs.teacher:
            raise PlanError(f"the method {self.method} has no use for a teacher")
        if self.statements is not None and not method.needs.labels:
            raise PlanError(f"the method {self.method} uses no labels, so no statements either")
        if not 0 < self.labels <= 1:
            raise PlanError(f"labels must be a share above 0 and at most 1, not {self.labels:g}")
        if self.labels < 1 and not method.needs.labels:
            raise PlanError(f"the method {self.method} uses no labels, so there is no share of them to take")
        if self.statements is not None and self.statements < 1:
            raise PlanError(f"statements must have at least 1 positive, not {self.statements}")

    def recipe(self) -> "Method[Any]":
        """The method."""
        from training.methods import find  # noqa: PLC0415 - slow to import

        return find(self.method)

    def method_options(self) -> "Options":
        """Its hyper-parameters."""
        options: Options = self.recipe().options.parse(self.options)
        return options

    @property
    def needs(self) -> "Needs":
        """What the method needs with these options."""
        return self.method_options().needs(self.recipe().needs)

    @property
    def leads(self) -> tuple[str, ...]:
        """What the encoder reads while it learns."""
        return LEADS if self.needs.all_leads else (self.lead,)

    @property
    def final_leads(self) -> tuple[str, ...]:
        """What the encoder reads that the run ends with."""
        return (self.lead,) if self.needs.one_of_twelve else self.leads

    def to_json(self) -> dict[str, Any]:
        """As it stands in `config.json`; the options with their defaults filled in."""
        from training.methods import plain  # noqa: PLC0415 - slow to import

        values = dataclasses.asdict(self) | {"options": dict(plain(self.method_options()))}
        if not self.norm_records:
            del values["norm_records"]  # a plan from before there was a choice is the same plan
        return {k: _json(v) for k, v in values.items()}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run happens: workers, their threads and device, and where its checkpoints are kept."""

    workers: tuple[int, int] = (1, 1)  # fewest and most; Ray Train grows and shrinks in between
    threads: int = 1  # of each worker
    device: str = "auto"
    storage: str | None = None  # default: in the run folder
    cache: Path | None = None  # of teacher embeddings; default: in the teacher's run folder
    failures: int = 3  # how often a run is resumed by itself
    plain: bool = False  # in this process, without Ray

    def __post_init__(self) -> None:
        fewest, most = self.workers
        if not 1 <= fewest <= most <= 4096:
            raise PlanError(f"workers must be N, or FEWEST:MOST, at least 1, not {fewest}:{most}")
        if self.plain and most > 1:
            raise PlanError("a plain run has one worker; leave --plain away for more")
        if not 1 <= self.threads <= 1024:
            raise PlanError(f"threads per worker must be 1 to 1024, not {self.threads}")
        if self.device not in ("auto", "cpu", "cuda"):
            raise PlanError(f"device must be auto, cpu or cuda, not {self.device!r:.60}")
        if self.failures < 0:
            raise PlanError(f"failures must be at least 0, not {self.failures}")

    def to_json(self) -> dict[str, Any]:
        """As it stands in `config.json`."""
        return {k: _json(v) for k, v in dataclasses.asdict(self).items()}


def _json(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
