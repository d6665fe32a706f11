"""One lead becomes twelve, which a reader of twelve leads reads; exported and restored like any other encoder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from shared.artefact.graph import export_graph
from shared.encoder import EncoderError, HeadConfig, new_head, registry
from shared.encoder.families.generated import FAMILY, Generated, GeneratedConfig
from shared.encoder.families.net1d import Net1DConfig
from shared.network import Calibration, Classifier, Preprocessing, Scorer

READER = Net1DConfig(leads=12, stem_width=8, stem_kernel=9, widths=(8, 16), depths=(1, 1), kernel=5, group_width=4)
CONFIG = GeneratedConfig(widths=(4, 6, 8), kernel=5, lead=1, reader_family="net1d", reader=READER.to_json())


def encoder() -> Generated:
    made = FAMILY.create(CONFIG, seed=1).eval()
    assert isinstance(made, Generated)
    return made


def test_it_gives_what_its_reader_makes_of_twelve_leads() -> None:
    made, x = encoder(), torch.randn(3, 1, 1000)
    with torch.no_grad():
        leads = made.twelve(x, made.generator(x))
        assert made(x).shape == (3, 16)
        assert torch.equal(made(x), made.reader(leads))
    assert leads.shape == (3, 12, 1000)
    assert torch.equal(leads[:, 1:2], x)


def test_drawn_leads_are_as_pre_processing_leaves_leads() -> None:
    made = encoder()
    leads = made.twelve(torch.randn(3, 1, 1000), 5 + 7 * torch.randn(3, 12, 1000))
    others = torch.cat([leads[:, :1], leads[:, 2:]], dim=1)
    assert torch.allclose(others.mean(dim=-1), torch.zeros(3, 11), atol=1e-4)
    assert torch.allclose(others.square().mean(dim=-1), torch.ones(3, 11), atol=1e-3)


@pytest.mark.parametrize("samples", [1000, 500, 333])
def test_any_length_comes_back_as_long(samples: int) -> None:
    assert encoder().generator(torch.randn(2, 1, samples)).shape == (2, 12, samples)


def test_it_is_restored_from_its_description() -> None:
    made = encoder()
    family, size = registry().describe(made)
    restored = registry().restore(family, made.config.to_json())
    restored.load_state_dict(made.state_dict(), assign=True)
    x = torch.randn(2, 1, 1000)
    with torch.no_grad():
        assert torch.equal(restored.eval()(x), made(x))
    assert size is None


def test_its_graph_gives_what_torch_gives(tmp_path: Path) -> None:
    network = Classifier(encoder(), new_head(16, HeadConfig()))
    scorer = Scorer(Preprocessing(), network, Calibration([1.0] * 10, [0.0] * 10)).eval()
    windows = np.random.default_rng(0).normal(0, 0.4, (5, 1000)).astype(np.float32)
    session = onnxruntime.InferenceSession(export_graph(scorer), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: windows})
    with torch.no_grad():
        np.testing.assert_allclose(found, scorer(torch.from_numpy(windows)).numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kernel": 4}, "kernel must be odd"),
        ({"lead": 12}, "lead must be 0 to 11"),
        ({"leads": 2}, "leads must be 1 to 1"),
        ({"widths": [4]}, "widths must be a list"),
        ({"reader": replace(READER, leads=1).to_json()}, "the reader must read 12 leads"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object], why: str) -> None:
    with pytest.raises(EncoderError, match=why):
        replace(CONFIG, **changes)
