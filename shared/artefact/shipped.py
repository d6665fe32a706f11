"""The models that come with the program: `models/small-lead-i` and its like, one folder for each lead there is."""

from pathlib import Path

from shared.artefact.errors import ArtefactError
from shared.artefact.folder import MANIFEST

MODELS = Path(__file__).resolve().parents[2] / "models"


def shipped(lead: str, models: Path = MODELS) -> Path:
    """The folder used for a lead where nobody names another. Refuses a lead for which none was shipped.

    It lies beside the code: in a checkout, in the image, in what a Ray job uploads.
    """
    folder = models / f"small-lead-{lead.lower()}"
    if not (folder / MANIFEST).is_file():
        raise ArtefactError(f"no model for lead {lead} comes with this program ({folder}): name one of your own")
    return folder
