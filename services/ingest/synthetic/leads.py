"""From the vectorcardiogram to the 12 leads: Dower's matrix, a patient's torso, Einthoven's and Goldberger's law.

Axes are Frank's: x to the patient's left, y to the feet, z to the back; millivolts.
"""

import numpy as np

from services.ingest.synthetic.draws import Draws, Floats

# PTB-XL's order, which is also the order of the rows of every 12-lead array here.
LEADS: tuple[str, ...] = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
# The eight leads that are measured; the other four are sums of I and II.
CHANNELS: tuple[str, ...] = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

# Dower GE, Machado HB, Osborne JA. On deriving the electrocardiogram from vectorcardiographic leads.
# Clin Cardiol 1980;3:87-95. Rows are CHANNELS, columns x, y, z.
DOWER: Floats = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)

# What a typical adult's chest adds to Dower's: with his rows alone no heart gives lead I and V6 the voltages that
# normal recordings have (R in I 0.69 mV, in V6 1.07 mV beside 1.28 in V5; medians of PTB-XL's normal records).
ADULT: Floats = np.array(
    [
        [0.170, 0.085, 0.000],
        [0.000, 0.000, 0.000],
        [0.060, 0.000, 0.060],
        [0.020, 0.000, -0.080],
        [-0.080, 0.000, 0.100],
        [-0.110, 0.000, 0.050],
        [0.020, 0.000, -0.020],
        [0.190, 0.000, -0.060],
    ]
)

# Each of LEADS as a sum of CHANNELS: III = II - I, aVR = -(I + II)/2, aVL = I - II/2, aVF = II - I/2.
DERIVATION: Floats = np.zeros((len(LEADS), len(CHANNELS)))
for _lead, _row in {
    "I": {"I": 1.0},
    "II": {"II": 1.0},
    "III": {"I": -1.0, "II": 1.0},
    "AVR": {"I": -0.5, "II": -0.5},
    "AVL": {"I": 1.0, "II": -0.5},
    "AVF": {"I": -0.5, "II": 1.0},
    **{name: {name: 1.0} for name in CHANNELS[2:]},
}.items():
    for _channel, _weight in _row.items():
        DERIVATION[LEADS.index(_lead), CHANNELS.index(_channel)] = _weight


def lead_name(name: str) -> str | None:
    """The name as in LEADS (``aVL`` → ``AVL``), or None if it is no lead."""
    upper = name.upper()
    return upper if upper in LEADS else None


def torso(draws: Draws, *, spread: float = 0.10) -> Floats:
    """One patient's version of Dower's matrix (8 × 3): chests differ in shape and electrodes sit a little off.

    Each chest electrode gets a gain of its own and is tilted towards its neighbours; the limbs change less.
    """
    matrix = DOWER + ADULT
    for row, name in enumerate(CHANNELS):
        limb = name in {"I", "II"}
        size = float(np.linalg.norm(matrix[row]))
        matrix[row] += draws.vector(f"electrode.{name}", spread * size * (0.35 if limb else 0.8))
        matrix[row] *= draws.factor(f"distance.{name}", spread * (0.5 if limb else 1.5))
    return matrix


def rotation(frontal: float, horizontal: float) -> Floats:
    """Rotation of the heart (radians): ``frontal`` turns left to the feet, ``horizontal`` left to the back."""
    cf, sf = np.cos(frontal), np.sin(frontal)
    ch, sh = np.cos(horizontal), np.sin(horizontal)
    in_front = np.array([[cf, -sf, 0.0], [sf, cf, 0.0], [0.0, 0.0, 1.0]])
    from_above = np.array([[ch, 0.0, -sh], [0.0, 1.0, 0.0], [sh, 0.0, ch]])
    return np.asarray(from_above @ in_front, np.float64)
