import pytest
import torch

from training.threads import torch_threads


def breaks_off(threads: int) -> None:
    with torch_threads(threads):
        assert torch.get_num_threads() == threads
        raise KeyboardInterrupt


def test_torch_has_its_threads_back_however_the_block_ends() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        breaks_off(before + 1)
    assert torch.get_num_threads() == before
