"""From windows to scores: gaps filled, rates brought together, bad signal kept from the model."""

from collections.abc import Sequence

import numpy as np
import pytest

from services.inference.engine import open_engine, score
from services.inference.engine.engine import Engine
from services.inference.windows import WINDOW, Block, Cut, Outcome
from services.ingest.synthetic import PatientSpec, case, simulate
from shared.artefact import Model
from shared.quality import Reason
from shared.sections import EngineSettings


@pytest.fixture(scope="module")
def engine(model: Model) -> Engine:
    return open_engine(model, EngineSettings())


def signal(rate_hz: int, patient: int) -> np.ndarray:
    spec: PatientSpec = case("NORM", 3, patient, rate_mhz=rate_hz * 1000)
    return simulate(spec, 0, 10 * rate_hz).astype(np.float32)


def cut(windows: Sequence[tuple[int, np.ndarray | None]]) -> Cut:
    """(rate, samples or None where too much is missing) of each window, as a cut."""
    table = np.zeros(len(windows), WINDOW)
    table["windows"] = 1
    by_rate: dict[int, list[int]] = {}
    for i, (rate, samples) in enumerate(windows):
        table["rate_mhz"][i] = rate * 1000
        if samples is None:
            table["outcome"][i] = Outcome.UNASSESSABLE
        else:
            table["outcome"][i] = Outcome.GAPPED if np.isnan(samples).any() else Outcome.COMPLETE
            by_rate.setdefault(rate, []).append(i)
    blocks = [
        Block(rate * 1000, np.array(rows), np.stack([windows[i][1] for i in rows]))  # type: ignore[misc]
        for rate, rows in by_rate.items()
    ]
    return Cut(table, tuple(blocks))


def test_good_windows_of_any_rate_are_scored(engine: Engine) -> None:
    (found,) = score([cut([(rate, signal(rate, i)) for i, rate in enumerate((100, 130, 250, 500))])], engine)
    assert found.assessed.all()
    assert ((found.probabilities > 0) & (found.probabilities < 1)).all()
    assert (found.reasons == 0).all()


def test_what_the_gate_refuses_never_reaches_the_model(engine: Engine) -> None:
    flat = np.zeros(2500, np.float32)
    (found,) = score([cut([(250, signal(250, 1)), (250, flat)])], engine)
    assert found.assessed.tolist() == [True, False]
    assert np.isnan(found.probabilities[1]).all()
    assert found.reasons[1] & (Reason.LEAD_OFF | Reason.FLAT)


def test_too_much_missing_is_neither_judged_nor_scored(engine: Engine) -> None:
    (found,) = score([cut([(250, None), (250, signal(250, 1))])], engine)
    assert found.assessed.tolist() == [False, True]
    assert np.isnan(found.quality[0])
    assert found.reasons[0] == 0


def test_a_small_gap_is_bridged(engine: Engine) -> None:
    gapped = signal(250, 1)
    gapped[1000:1100] = np.nan
    (found,) = score([cut([(250, gapped)])], engine)
    assert found.assessed.all()
    assert np.isfinite(found.strips).all()


def test_a_window_that_lacks_exactly_what_it_may_is_not_refused_for_it(engine: Engine) -> None:
    gapped = signal(250, 1)
    gapped[1000:1250] = np.nan
    (found,) = score([cut([(250, gapped)])], engine, max_missing=0.1)
    assert not found.reasons[0] & Reason.MISSING
    (without,) = score([cut([(250, signal(250, 1))])], engine, max_missing=0.1)
    assert found.quality[0] < without.quality[0]


def test_a_window_scores_the_same_whoever_is_beside_it(engine: Engine) -> None:
    windows = [(rate, signal(rate, i)) for i, rate in enumerate((100, 250, 130, 250, 100, 512))]
    windows[3][1][50:150] = np.nan
    together = score([cut(windows[:2]), cut(windows[2:])], engine)
    alone = [score([cut([window])], engine)[0] for window in windows]
    rows = [(s, i) for s in together for i in range(len(s))]
    for (scored, row), single in zip(rows, alone, strict=True):
        for name in ("assessed", "probabilities", "quality", "reasons", "strips"):
            assert np.array_equal(getattr(scored, name)[row : row + 1], getattr(single, name))


def test_nothing_cut_is_nothing_scored(engine: Engine) -> None:
    assert [len(scored) for scored in score([cut([]), cut([])], engine)] == [0, 0]
    assert score([], engine) == []
