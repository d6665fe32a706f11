import torch

from training.methods.chance import Chance
from training.methods.mae import Decoder, hidden_samples


def test_the_same_share_is_hidden_in_every_row() -> None:
    hidden = hidden_samples(Chance.of(torch.arange(9)), 12, 25, 0.75)
    assert hidden.shape == (9, 12, 1000)
    assert hidden.sum(dim=(1, 2)).tolist() == [9000] * 9


def test_whole_patches_are_hidden_over_time_and_leads() -> None:
    hidden = hidden_samples(Chance.of(torch.arange(9)), 12, 25, 0.75)
    patches = hidden.reshape(9, 12, 40, 25)
    assert torch.equal(patches.any(dim=3), patches.all(dim=3))
    assert 0 < int(patches[..., 0].all(dim=1).sum()) < 9 * 40  # all leads at once only now and then


def test_a_step_of_the_features_draws_its_own_stretch_of_time() -> None:
    decoder = Decoder(6, 4, 2, 8)
    features = torch.zeros(1, 6, 8, requires_grad=True)
    decoder(features)[0, 1, 130].backward()  # sample 130 is drawn by step 1, which two small kernels widen by two
    assert features.grad is not None
    assert features.grad[0].abs().sum(dim=0).nonzero().flatten().tolist() == [0, 1, 2, 3]
