"""The gate on real recordings, as `selfmis bench quality` judges it."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import SNRS_DB, main, noisy_figures, pass_figures, with_noise
from benchmarks.recordings import RecordingsError, cinc2017, nstdb, ptbxl, whole_windows
from benchmarks.synthetic import ecg
from shared.errors import SelfmisError


@pytest.mark.data
def test_it_tells_noisy_recordings_from_normal_ones_that_it_was_not_tuned_on(data_dir):
    figures = noisy_figures(cinc2017(data_dir / "cinc2017"))
    assert figures["auroc_noisy"] >= 0.90
    assert figures["pass_rate_cinc2017_af"] >= figures["pass_rate_cinc2017_normal"] - 0.05


@pytest.mark.data
def test_acceptance_falls_with_the_snr_and_spares_infarctions(data_dir):
    figures = pass_figures(ptbxl(data_dir / "ptbxl", every=6), nstdb(data_dir / "nstdb"))
    rates = [figures["pass_rate_clean"]]
    rates += [figures[f"pass_rate_{'minus' if snr < 0 else ''}{abs(snr)}db"] for snr in SNRS_DB]
    assert rates == sorted(rates, reverse=True)
    assert figures["pass_rate_24db"] >= 0.95
    assert figures["pass_rate_mi"] >= figures["pass_rate_norm"] - 0.03


def test_noise_is_added_at_the_snr_asked_for():
    random = np.random.default_rng(0)
    windows = ecg(6, 100_000, random, noise_mv=0.0)
    kinds = {kind: random.standard_normal((2, 1000)).astype(np.float32) for kind in ("bw", "em", "ma")}
    loud, soft = (with_noise(windows, kinds, snr) - windows for snr in (-6, 14))
    assert 10 * np.log10(loud.var(axis=1) / soft.var(axis=1)) == pytest.approx(20, abs=0.01)


def test_a_recording_is_cut_into_whole_windows_only():
    assert whole_windows(np.arange(2350, dtype=np.float32), 100_000)[:, 0].tolist() == [0, 1000]
    assert whole_windows(np.arange(999, dtype=np.float32), 100_000).shape == (0, 1000)


@pytest.mark.parametrize("reader", [cinc2017, ptbxl, nstdb])
def test_a_folder_of_something_else_is_refused_in_one_line(tmp_path, reader):
    with pytest.raises(RecordingsError, match=r"is not .*it has no") as refused:
        list(reader(tmp_path))
    assert "\n" not in str(refused.value)


def test_a_record_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "REFERENCE.csv").write_text("A00001,N\n")
    with pytest.raises(RecordingsError, match="A00001 cannot be read"):
        list(cinc2017(tmp_path))


def test_ptbxl_without_any_of_its_records_is_refused(tmp_path):
    (tmp_path / "ptbxl_database.csv").write_text("filename_lr,scp_codes\nrecords100/1,\"{'NORM': 1.0}\"\n")
    with pytest.raises(RecordingsError, match="none of the 100 Hz records"):
        pass_figures(ptbxl(tmp_path), [])


def test_a_missing_folder_argument_is_one_line():
    with pytest.raises(SelfmisError, match="cinc2017"):
        main(["--json", "-"])


@pytest.mark.full
@pytest.mark.data
def test_the_command_writes_flat_json(data_dir: Path, tmp_path: Path):
    folders = [part for name in ("cinc2017", "ptbxl", "nstdb") for part in (f"--{name}", str(data_dir / name))]
    assert main([*folders, "--json", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {"auroc_noisy", "pass_rate_minus6db", "pass_rate_mi", "pass_rate_norm"} <= figures.keys()
    assert all(isinstance(value, int | float) for value in figures.values())
