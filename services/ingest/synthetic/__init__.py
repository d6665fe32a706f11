"""Simulated patients with physiology: a moving heart vector seen by a wearable, sample by sample, from a seed.

Full fidelity, one patient at a time: `PatientSpec` → `Patient(spec).samples(first, count)`, `simulate`,
`simulate_12`, `truth`. Tens of thousands of patients at once: `BankSpec` → `Bank(spec).frames(first, count)`.
"""

from services.ingest.synthetic.bank import Bank, BankSpec
from services.ingest.synthetic.cohort import ARCHIVE, allocate, case
from services.ingest.synthetic.leads import LEADS
from services.ingest.synthetic.mimics import MIMICS
from services.ingest.synthetic.noise import (
    ClockDrift,
    Effect,
    GainError,
    LeadOff,
    Mains,
    Motion,
    Muscle,
    Saturation,
    Wander,
)
from services.ingest.synthetic.patient import Patient, TwelveLeads, simulate, simulate_12
from services.ingest.synthetic.spec import KINDS, Episode, PatientSpec, SimulationError, quantised, truth

__all__ = [
    "ARCHIVE",
    "KINDS",
    "LEADS",
    "MIMICS",
    "Bank",
    "BankSpec",
    "ClockDrift",
    "Effect",
    "Episode",
    "GainError",
    "LeadOff",
    "Mains",
    "Motion",
    "Muscle",
    "Patient",
    "PatientSpec",
    "Saturation",
    "SimulationError",
    "TwelveLeads",
    "Wander",
    "allocate",
    "case",
    "quantised",
    "simulate",
    "simulate_12",
    "truth",
]
