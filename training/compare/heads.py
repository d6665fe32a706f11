"""The heads that a comparison can put on an encoder."""

from typing import Literal

HeadKind = Literal["own", "probe", "finetune"]
HEADS: tuple[HeadKind, ...] = ("own", "probe", "finetune")
