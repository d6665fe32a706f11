"""The model: what it says, and whether it still sees what it was made for."""

from deploy.grafana.panels import (
    HALF,
    INSTANCE,
    JOB,
    RED,
    YELLOW,
    Board,
    Look,
    Row,
    heat,
    lines,
    now,
    number,
    quantile,
    rate,
    value,
)
from deploy.grafana.ward import TYPE

SCORE, REFERENCE = "selfmis_any_mi_score", "selfmis_model_reference_score"
SCORED = 'outcome="scored"'
BEGAN = 'kind="mi",type=~"$type",transition="began"'
EXPECTED = f"max({value(f'{REFERENCE}_sum')}) / max({value(f'{REFERENCE}_count')})"
SEEN = f"sum({rate(f'{SCORE}_sum', over='1h')}) / sum({rate(f'{SCORE}_count', over='1h')})"
ABOVE_HALF, ALL = 'le="0.5"', 'le="+Inf"'

NOW = Row(
    "Now",
    (
        now(
            Look.TABLE,
            "Model in use",
            "Name, version, lead, pre-processing and encoder, as its manifest says.",
            (
                f"max by (name, version, lead, preprocessing, encoder) ({value('selfmis_model_info')})",
                "{{name}}",
            ),
            width=HALF,
            height=5,
            alerts=("SelfmisModelUnreadable",),
        ),
        number(
            "Drift",
            "Distance (Kolmogorov-Smirnov, 0 to 1) of the last hour's scores to the model's reference. The"
            " alert wants 0.25 for two hours and a hundred patients. A ward is no validation set: see change.",
            "selfmis:score_drift:ks1h",
            steps=((0.15, YELLOW), (0.25, RED)),
            height=5,
            decimals=2,
            alerts=("SelfmisScoreDrift",),
        ),
        number(
            "Reference",
            "Recordings behind the model's reference. Absent: its folder was written without one.",
            f"max({value(f'{REFERENCE}_count')})",
            height=5,
            decimals=0,
            alerts=("SelfmisNoScoreReference",),
        ),
        number(
            "Windows of an hour",
            "Windows scored in the last hour: what the figures here rest on.",
            f"3600 * sum({rate('selfmis_windows_total', SCORED, '1h')})",
            height=5,
            decimals=0,
            alerts=("SelfmisDetectionStalled",),
        ),
    ),
)
SCORES = Row(
    "Scores",
    (
        heat(
            "Any-MI score",
            "Calibrated probability of any infarct: windows by score. Most lie low in a healthy ward.",
            f"sum by (le) ({rate(f'{SCORE}_bucket')})",
            alerts=("SelfmisScoreDrift",),
        ),
        now(
            Look.COLUMNS,
            "Cumulative share, now and reference",
            "Which share of the scores is at most this: of the last hour, and of the model's reference recordings."
            " Drift is the largest difference between the two.",
            ("max by (le) (selfmis:score_share:rate1h)", "last hour"),
            ("max by (le) (selfmis:score_share:reference)", "reference"),
            unit="percentunit",
            top=1,
            width=HALF,
            alerts=("SelfmisScoreDrift",),
        ),
        lines(
            "Drift",
            "Distance of the last hour's scores to the reference, over time.",
            ("selfmis:score_drift:ks1h", "drift"),
            steps=((0.15, YELLOW), (0.25, RED)),
            top=1,
            alerts=("SelfmisScoreDrift",),
        ),
        lines(
            "Quantiles of the score",
            "Half, 90 and 99 of a hundred windows score at most this.",
            *((quantile(share, SCORE), f"{share:.0%}") for share in (0.5, 0.9, 0.99)),
            unit="percentunit",
            top=1,
            alerts=("SelfmisScoreDrift",),
        ),
        lines(
            "Windows above one half",
            "Share of windows whose calibrated probability of an infarct is more than one half.",
            (f"1 - sum({rate(f'{SCORE}_bucket', ABOVE_HALF)}) / sum({rate(f'{SCORE}_bucket', ALL)})", "above 0.5"),
            unit="percentunit",
            top=1,
            alerts=("SelfmisScoreDrift",),
        ),
    ),
)
CALIBRATION = Row(
    "Calibration and types",
    (
        lines(
            "Mean score, seen and reference",
            "Calibrated, the mean score is the share of infarcts. That of the reference is what calibration"
            " rests on; a ward has fewer. Without the truth this cannot tell whether calibration holds, only that"
            " it has moved.",
            (SEEN, "last hour"),
            (EXPECTED, "reference"),
            unit="percentunit",
            top=1,
            width=HALF,
            alerts=("SelfmisScoreDrift",),
        ),
        lines(
            "MI alarms began, an hour, by type",
            "Of the chosen types. IPLMI, IPMI and PMI are too rare in the training data to be judged alone.",
            (f"3600 * sum by (type) ({rate('selfmis_alerts_total', BEGAN, '1h')})", "{{type}}"),
            stacked=True,
            width=HALF,
            alerts=("SelfmisMIAlarm",),
        ),
    ),
)

BOARD = Board(
    "selfmis-model",
    "SelfMIS: Model",
    "What the model says, and whether it still sees what it was made for. Research use only.",
    (NOW, SCORES, CALIBRATION),
    (JOB, INSTANCE, TYPE),
    span="now-6h",
    refresh="1m",
)
