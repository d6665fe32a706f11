"""The ward: what alarms ask of people."""

from deploy.grafana.panels import (
    HALF,
    INSTANCE,
    JOB,
    RED,
    THIRD,
    YELLOW,
    Board,
    Choice,
    Look,
    Row,
    lines,
    now,
    number,
    rate,
    text,
    value,
)

TYPE = Choice(
    "type", "Infarct type", "The nine types, and MI for any.", 'selfmis_alarms_active{kind="mi"}', "type"
)
MI = 'kind="mi",type=~"$type"'
OF_MI, ADMITTED = 'kind="mi"', 'state="admitted"'
RAISED = f'{MI},phase="raised"'
TECHNICAL, TECHNICAL_RAISED = 'kind!="mi"', 'kind!="mi",phase="raised"'
BEGAN = 'kind!="mi",transition="began"'
ACTIVE, WAITING = "selfmis_alarms_active", "selfmis_alarm_unacknowledged_age_seconds"
FIRES = 'ALERTS{alertname=~"Selfmis.*",alertstate="firing"}'
LINKS = """\
Prometheus knows how many, never who. Who, and why, is in the console:

- [Ward console](${console}/): patients by risk, live ECG, each alarm with its ten seconds; acknowledge, mute
- [Latest alerts](${console}/api/alerts) as JSON
- [Is it ready?](${console}/readyz)

The address is the variable *Console* above. Research use only, not a medical device.
"""

NOW = Row(
    "Now",
    (
        number(
            "MI alarms raised",
            "Suspected infarcts that nobody has acknowledged. Each wants somebody now.",
            f"sum({value(ACTIVE, RAISED)})",
            steps=((1, RED),),
            alerts=("SelfmisMIAlarm",),
            decimals=0,
        ),
        number(
            "Oldest waits",
            "How long the oldest MI alarm has waited for a person. From five minutes on an alert fires.",
            f"max({value(WAITING, OF_MI)})",
            unit="s",
            steps=((60, YELLOW), (300, RED)),
            alerts=("SelfmisMIAlarmUnacknowledged",),
        ),
        number(
            "Patients watched",
            "Patients who are admitted.",
            f"sum({value('selfmis_patients', ADMITTED)})",
            decimals=0,
        ),
        number(
            "Known findings muted",
            "Patients whose MI alarm is muted because the finding is known. Too many: look at the audit.",
            f"sum({value('selfmis_patients_muted')})",
            decimals=0,
        ),
        number(
            "Technical alarms",
            "Leads off, poor signals and lost streams that are raised: these patients are hardly watched.",
            f"sum({value(ACTIVE, TECHNICAL_RAISED)})",
            steps=((1, YELLOW),),
            alerts=("SelfmisStreamLost",),
            decimals=0,
        ),
        number(
            "Behind",
            "How late alarms come now because entries wait in Redis.",
            f"max({value('selfmis_lag_seconds')})",
            unit="s",
            steps=((5, YELLOW), (30, RED)),
            alerts=("SelfmisLag",),
        ),
    ),
)
ALARMS = Row(
    "MI alarms",
    (
        lines(
            "Active, by priority",
            "Raised, latched and acknowledged MI alarms of the chosen types.",
            (f"sum by (priority) ({value(ACTIVE, MI)})", "{{priority}}"),
            stacked=True,
            alerts=("SelfmisMIAlarm",),
            decimals=0,
        ),
        lines(
            "Active, by type",
            "The same by type. IPLMI, IPMI and PMI are too rare in the training data to be judged alone.",
            (f"sum by (type) ({value(ACTIVE, MI)})", "{{type}}"),
            stacked=True,
            alerts=("SelfmisMIAlarm",),
            decimals=0,
        ),
        now(
            Look.BARS,
            "Active now, by type and priority",
            "The ten most frequent pairs.",
            (f"topk(10, sum by (type, priority) ({value(ACTIVE, MI)}))", "{{type}} {{priority}}"),
            steps=((1, RED),),
            alerts=("SelfmisMIAlarm",),
            decimals=0,
        ),
        lines(
            "Active, by phase",
            "Raised: nobody has answered. Latched: gone again, and nobody has seen it. Acknowledged: seen.",
            (f"sum by (phase) ({value(ACTIVE, MI)})", "{{phase}}"),
            stacked=True,
            alerts=("SelfmisMIAlarm",),
            decimals=0,
        ),
        lines(
            "Oldest unacknowledged, by priority",
            "How long the oldest alarm of each priority has waited.",
            (
                f"max by (priority) ({value(WAITING, OF_MI)})",
                "{{priority}}",
            ),
            unit="s",
            steps=((60, YELLOW), (300, RED)),
            alerts=("SelfmisMIAlarmUnacknowledged",),
        ),
        lines(
            "What alerts announced, an hour",
            "Alerts about MI alarms of the chosen types: began, escalated, acknowledged, ended …",
            (f"3600 * sum by (transition) ({rate('selfmis_alerts_total', MI)})", "{{transition}}"),
            alerts=("SelfmisMIAlarm",),
        ),
    ),
)
BURDEN = Row(
    "Load on people",
    (
        lines(
            "Alarms began, per patient and hour",
            "The last hour's alarms of each kind by patients watched. More than a ward can answer makes it deaf:"
            " tune the rules (docs/alarms.md).",
            ("selfmis:alarms_began:per_patient_hour1h", "{{kind}}"),
            width=HALF,
            alerts=("SelfmisMIAlarmUnacknowledged",),
        ),
        lines(
            "Commands of people, an hour",
            "Acknowledge, mute, admit …, by what became of them. Refused ones are in the audit.",
            (f"3600 * sum by (outcome) ({rate('selfmis_commands_total')})", "{{outcome}}"),
            width=HALF,
        ),
    ),
)
SIGNALS = Row(
    "Patients and signals",
    (
        lines(
            "Patients by state",
            "In standby and after discharge nothing alarms.",
            (f"sum by (state) ({value('selfmis_patients')})", "{{state}}"),
            stacked=True,
            decimals=0,
        ),
        lines(
            "Technical alarms by kind",
            "Raised and latched. One patient's stream is an errand; a silent system is a failure of the monitor.",
            (f"sum by (kind) ({value(ACTIVE, TECHNICAL)})", "{{kind}}"),
            stacked=True,
            alerts=("SelfmisStreamLost", "SelfmisQualityCollapse"),
            decimals=0,
        ),
        lines(
            "Technical alarms began, an hour",
            "How often electrodes and streams want an errand.",
            (
                f"3600 * sum by (kind) ({rate('selfmis_alerts_total', BEGAN, '1h')})",
                "{{kind}}",
            ),
            alerts=("SelfmisStreamLost",),
        ),
    ),
)
FIRING = Row(
    "Who, and what fires",
    (
        now(
            Look.TABLE,
            "Alerts that fire",
            "What Prometheus tells Alertmanager now. SelfmisDeadMansSwitch always fires: if it is not here,"
            " alerting is broken.",
            (
                f"sum by (alertname, severity, kind, type, priority, job) ({FIRES})",
                "{{alertname}}",
            ),
            width=THIRD * 2,
            alerts=("SelfmisDeadMansSwitch",),
        ),
        text("Latest alerts, and whose", "Links to the console and the API.", LINKS),
    ),
)

BOARD = Board(
    "selfmis-ward",
    "SelfMIS: Ward",
    "What alarms ask of people. Research use only, not a medical device.",
    (NOW, ALARMS, BURDEN, SIGNALS, FIRING),
    (JOB, INSTANCE, TYPE),
)
