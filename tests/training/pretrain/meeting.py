"""Run by `test_exchange.py` in each of some processes: meet in a group and exchange a row, in both ways."""

import json
import sys
from contextlib import closing
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist

from training.pretrain.exchange import ThroughGroup
from training.pretrain.world import Group


def main(rank: int, size: int, meet: str) -> None:
    """As one of them."""
    dist.init_process_group(
        "gloo", init_method=f"file://{meet}", rank=rank, world_size=size, timeout=timedelta(seconds=60)
    )
    with closing(Group(torch.device("cpu"))) as world:
        rows = [each.gather(np.full(3, rank, np.float32)).tolist() for each in (world.exchange, ThroughGroup())]
        print(json.dumps({"kind": world.exchange.kind, "rows": rows}))
        world.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
