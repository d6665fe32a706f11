"""The model folder: every hash, and the golden windows scored by the engine that the settings ask for."""

from collections.abc import Iterable
from pathlib import Path

from deploy.doctor.finding import Finding, fault, ok, skipped
from services.inference.engine import open_engine
from services.inference.engine.runtimes import EngineError
from shared.artefact import load
from shared.artefact.errors import ArtefactError
from shared.settings import Settings

AGAIN = "copy the folder here again, or export it anew (selfmis export); `selfmis model FOLDER` says more"


def examine_model(folder: Path, settings: Settings) -> Iterable[Finding]:
    """Costs a second or two: the graph is compiled and scores its golden windows, alone and in batches."""
    if not folder.exists():
        yield skipped("model", f"no {folder} on this machine; name the folder with --model where replicas run")
        return
    try:
        model = load(folder, expect_lead=settings.window.lead)
    except ArtefactError as error:
        yield fault("model", str(error), AGAIN)
        return
    manifest = model.manifest
    yield ok("model", f"{manifest.name} {manifest.version}: {len(manifest.files)} files match their sha256")
    try:
        engine = open_engine(model, settings.engine)
    except (ArtefactError, EngineError) as error:
        yield fault(
            "golden windows", str(error), "set engine.runtime and engine.precision to what this machine can"
        )
        return
    yield ok("golden windows", f"score as where the model was exported ({engine.runtime} {engine.precision})")
