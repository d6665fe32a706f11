"""Pictures: they are PNG, they do not depend on chance, and the map is the principal components."""

import numpy as np
import pytest

from training.evaluate.plots import map_png, principal, reliability_png, roc_png
from training.evaluate.scored import Scored

PNG = b"\x89PNG\r\n\x1a\n"


def test_every_picture_is_a_png_and_the_same_every_time(scored: Scored) -> None:
    for picture in (roc_png, reliability_png):
        assert picture(scored).startswith(PNG)
        assert picture(scored) == picture(scored)


def test_the_map_of_embeddings_can_be_drawn_whatever_their_width(scored: Scored) -> None:
    for width in (1, 2, 30):
        embeddings = np.random.default_rng(1).normal(size=(300, width))
        assert map_png(embeddings, scored.labels).startswith(PNG)


def test_the_first_component_is_the_direction_of_largest_spread() -> None:
    random = np.random.default_rng(2)
    rows = random.normal(size=(500, 3)) * [1.0, 10.0, 0.1] + 5
    places, share = principal(rows)
    assert abs(np.corrcoef(places[:, 0], rows[:, 1])[0, 1]) == pytest.approx(1, abs=1e-3)
    assert share[0] > 0.98
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-9)
