"""`selfmis finetune`: the probe of an encoder, and then head and encoder together."""

import dataclasses
from collections.abc import Sequence

from shared.command import DONE, Parser
from training.finetune.plan import Tuning
from training.probe.command import split_arguments


def main(argv: Sequence[str]) -> int:
    """Fine-tune the encoder of RUN and a linear head on it, from the probe on (or from the head RUN has).

    Interrupted or killed, the same command goes on after the last epoch that ended.
    """
    parser = Parser(prog="selfmis finetune", description=main.__doc__)
    split_arguments(parser)
    defaults = Tuning()
    for name, about in (
        ("epochs", "most passes over the records"),
        ("batch", "records in a batch"),
        ("lr", "learning rate of the head"),
        ("encoder_lr", "learning rate of the encoder"),
        ("warmup", "share of all steps"),
        ("weight_decay", "of AdamW"),
        ("clip", "largest norm of the gradient"),
        ("patience", "epochs without a better validation loss before it ends"),
    ):
        default = getattr(defaults, name)
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(default), default=default, help=f"{about} ({default})")
    parser.add_argument(
        "--from-probe", action="store_true", help="fit a new head even if RUN has one for the ten scores"
    )
    chosen = parser.parse_args(argv)
    tuning = Tuning(**{field.name: getattr(chosen, field.name) for field in dataclasses.fields(Tuning)})
    from training.finetune.run import asked  # noqa: PLC0415 - slow to import

    print(asked(chosen, tuning))
    return DONE
