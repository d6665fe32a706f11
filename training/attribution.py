"""Which recordings a model learnt from: counts for the record, and the words that their licences ask for."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.artefact import DataSource
from shared.artefact.manifest import SIMULATED as SIMULATED_NAME
from shared.errors import SelfmisError
from shared.labels import SCORE_NAMES
from training.pretrain.dataset import store_fingerprint
from training.store import Store

SIMULATED = "simulated"
PTBXL = DataSource(
    name="PTB-XL",
    attribution=(
        "Wagner P, Strodthoff N, Bousseljot R, Samek W, Schaeffter T: PTB-XL, a large publicly available"
        " electrocardiography dataset. PhysioNet, doi:10.13026/kfzx-aw45; Scientific Data 7, 154 (2020)."
        " Resampled, filtered and cut by this program."
    ),
    licence="CC BY 4.0",
)
SIMULATOR = DataSource(
    name=SIMULATED_NAME,
    attribution="Made by the simulator of this program; no person's data.",
    licence="Apache-2.0",
)


class AttributionError(SelfmisError):
    """It is not known whose recordings these are, so nothing made of them may be passed on."""


def data_facts(store: Store, rows: npt.NDArray[np.int64]) -> dict[str, Any]:
    """What was learnt from: the sources and whether each is simulated; folds, patients, positives."""
    layouts = {source["name"]: source["layout"] for source in store.manifest["sources"]}
    label_source = np.array(store.table.column("label_source").to_pylist(), object)[rows]
    which = store.sources[rows]
    sources = []
    for position, name in enumerate(store.source_names):
        here = which == position
        if here.any():
            simulated = bool((label_source[here] == SIMULATED).all())
            sources.append(
                {"name": name, "layout": layouts[name], "records": int(here.sum()), "simulated": simulated}
            )
    labels = store.labels(rows)
    return {
        "store": store_fingerprint(store),
        "sources": sources,
        "folds": sorted({int(fold) for fold in np.unique(store.folds[rows])} - {0}),
        "records": len(rows),
        "patients": len(np.unique(store.patients[rows])),
        "positives": {name: int(np.nansum(labels[:, i])) for i, name in enumerate(SCORE_NAMES)},
    }


def credits_of(sources: Iterable[Mapping[str, Any]], given: Mapping[str, DataSource]) -> tuple[DataSource, ...]:
    """Whom to name for these sources (as in `data_facts`), each once.

    ``given`` says it for sources by name, and must for those in no layout of PTB-XL's: nothing is guessed.
    """
    found: dict[str, DataSource] = {}
    for source in sources:
        name = str(source["name"])
        if name in given:
            credit = given[name]
        elif source["simulated"]:
            credit = SIMULATOR
        elif source["layout"] in ("ptbxl", "ptbxl-normalised"):
            credit = PTBXL
        else:
            raise AttributionError(
                f"whose recordings {name} are is not known: say --credit '{name}=NAME; ATTRIBUTION; LICENCE'"
            )
        found[credit.name] = credit
    if not found:
        raise AttributionError("the run does not say which recordings it learnt from: say --credit NAME=…")
    return tuple(found.values())


def parse_credit(text: str) -> tuple[str, DataSource]:
    """``SOURCE=NAME; ATTRIBUTION; LICENCE`` as typed."""
    source, _, rest = text.partition("=")
    parts = [part.strip() for part in rest.split(";")]
    if not source or len(parts) != 3 or not all(parts):
        raise AttributionError(f"credit {text!r:.60}: write it as SOURCE=NAME; ATTRIBUTION; LICENCE")
    name, attribution, licence = parts
    return source.strip(), DataSource(name=name, attribution=attribution, licence=licence)
