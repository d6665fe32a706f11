"""Counting is exact for networks small enough to count on paper."""

import torch
from torch import nn

from shared.encoder import count_macs, count_parameters


def test_parameters_are_weights_and_biases() -> None:
    assert count_parameters(nn.Conv1d(2, 6, 5, groups=2)) == 6 * 1 * 5 + 6


def test_norm_statistics_are_not_parameters() -> None:
    assert count_parameters(nn.BatchNorm1d(7)) == 14


def test_a_strided_grouped_convolution_counts_outputs_times_taps() -> None:
    # 10 samples, stride 2, kernel 3, padding 1: 5 outputs of 8 channels, each from 4 channels of 3 taps.
    assert count_macs(nn.Conv1d(8, 8, 3, stride=2, padding=1, groups=2), (8, 10)) == 5 * 8 * 4 * 3


def test_a_linear_layer_counts_inputs_times_outputs() -> None:
    assert count_macs(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 4)) == 60


def test_a_layer_used_twice_counts_twice() -> None:
    layer = nn.Linear(4, 4)
    assert count_macs(nn.Sequential(layer, layer), (4,)) == 32


def test_counting_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Conv1d(3, 2, 1)).train()
    count_macs(network, (3, 8))
    assert network.training
    assert torch.equal(network[0].running_mean, torch.zeros(3))
    assert not network[1]._forward_hooks
