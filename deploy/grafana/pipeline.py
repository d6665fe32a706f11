"""The pipeline: whether what patients send is looked at, all of it, and in time."""

from deploy.grafana.panels import (
    HALF,
    INSTANCE,
    JOB,
    QUARTER,
    RED,
    YELLOW,
    Board,
    Row,
    heat,
    lines,
    number,
    quantile,
    rate,
    value,
)

SCORED, UNOWNED, OWNED = 'outcome="scored"', 'state="unowned"', 'state="owned"'
LATENCY, STAGES, BATCH = "selfmis_sample_to_commit_seconds", "selfmis_stage_seconds", "selfmis_batch_windows"
INGEST_P99 = (
    "histogram_quantile(0.99, sum by (le, job) (rate(selfmis_ingest_lateness_seconds_bucket[$__rate_interval])))"
)

NOW = Row(
    "Now",
    (
        number(
            "Windows scored",
            "Windows that the model judges, a second. A patient gives one each stride.",
            f"sum({rate('selfmis_windows_total', SCORED)})",
            unit="cps",
            alerts=("SelfmisDetectionStalled",),
        ),
        number(
            "Lag",
            "How long the oldest entry that is not committed has waited in Redis.",
            f"max({value('selfmis_lag_seconds')})",
            unit="s",
            steps=((5, YELLOW), (30, RED)),
            alerts=("SelfmisLag",),
        ),
        number(
            "Replicas",
            "Replicas of the monitor that live. None: nothing is judged.",
            f"max({value('selfmis_replicas')})",
            alerts=("SelfmisDetectionStalled",),
            decimals=0,
        ),
        number(
            "Shards unowned",
            "Shards that nobody reads; their patients are not watched. Owned again within a lease (seconds).",
            f"max({value('selfmis_shards', UNOWNED)})",
            steps=((1, RED),),
            alerts=("SelfmisShardUnowned",),
            decimals=0,
        ),
        number(
            "Redis full",
            "Share of its limit that the fullest Redis master uses. From 85 % on ingest holds back.",
            f"max({value('selfmis_redis_memory_ratio')})",
            unit="percentunit",
            steps=((0.7, YELLOW), (0.85, RED)),
            alerts=("SelfmisRedisMemory",),
        ),
        number(
            "Redis answers",
            "1 if Redis answered the API at the last scrape; else nothing is received, judged or shown.",
            f"min({value('selfmis_redis_up')})",
            alerts=("SelfmisRedisDown",),
            decimals=0,
        ),
    ),
)
FLOW = Row(
    "Flow",
    (
        lines(
            "Windows by outcome",
            "Scored, refused by the quality gate, or missing too many samples; committed facts.",
            (f"sum by (outcome) ({rate('selfmis_windows_total')})", "{{outcome}}"),
            unit="cps",
            stacked=True,
            alerts=("SelfmisDetectionStalled", "SelfmisQualityCollapse"),
        ),
        lines(
            "Windows as they were cut",
            "The same windows by how whole they were. Gaps: frames are lost on their way.",
            (f"sum by (outcome) ({rate('selfmis_windows_cut_total')})", "{{outcome}}"),
            unit="cps",
            stacked=True,
            alerts=("SelfmisQualityCollapse",),
        ),
        lines(
            "Frames by outcome",
            "Frames read from the streams: taken, or why refused.",
            (f"sum by (outcome) ({rate('selfmis_frames_total')})", "{{outcome}}"),
            unit="cps",
            alerts=("SelfmisDeadLetters",),
        ),
        lines(
            "Samples by outcome",
            "Placed, duplicate (harmless), or late: their windows had closed already.",
            (f"sum by (outcome) ({rate('selfmis_samples_total')})", "{{outcome}}"),
            unit="cps",
            alerts=("SelfmisLag",),
        ),
        lines(
            "Steps and commits",
            "Steps that read something, and those committed. A gap between them: owners that lost a shard.",
            (f"sum({rate('selfmis_steps_total')})", "steps"),
            (f"sum({rate('selfmis_commits_total')})", "commits"),
            unit="cps",
            alerts=("SelfmisDetectionStalled",),
        ),
        lines(
            "Commands applied",
            "What people told the monitor, by what became of it.",
            (f"sum by (outcome) ({rate('selfmis_commands_total')})", "{{outcome}}"),
            unit="cps",
        ),
    ),
)
TIME = Row(
    "Time",
    (
        heat(
            "From sample to commit",
            "From a window's last sample to the commit of its score: windows by how long it took.",
            f"sum by (le) ({rate(f'{LATENCY}_bucket')})",
            unit="s",
            alerts=("SelfmisLag",),
        ),
        lines(
            "From sample to commit, quantiles",
            "Half, 95 and 99 of a hundred windows are judged within this time.",
            *((quantile(share, LATENCY), f"{share:.0%}") for share in (0.5, 0.95, 0.99)),
            unit="s",
            steps=((5, YELLOW), (30, RED)),
            width=HALF,
            alerts=("SelfmisLag",),
        ),
        lines(
            "Lag",
            "How long the oldest entry that is not committed has waited. Falls after an outage: it catches up.",
            (f"max({value('selfmis_lag_seconds')})", "lag"),
            unit="s",
            steps=((5, YELLOW), (30, RED)),
            alerts=("SelfmisLag",),
        ),
        lines(
            "Stages of a step, 95 %",
            "Elapsed time of each stage; wait: of its oldest entry, in Redis. A slow commit is a slow Redis.",
            (quantile(0.95, STAGES, "stage"), "{{stage}}"),
            unit="s",
            alerts=("SelfmisLag",),
        ),
        lines(
            "Processors in use, by stage",
            "Cores of all replicas together. Near the number of replicas: they are busy, start more.",
            (f"sum by (stage) ({rate('selfmis_stage_cpu_seconds_total')})", "{{stage}}"),
            stacked=True,
            alerts=("SelfmisLag",),
        ),
        lines(
            "Windows in one step",
            "Which go through the model together. Grows under load, which is what keeps up.",
            (quantile(0.5, BATCH), "half"),
            (quantile(0.95, BATCH), "95 %"),
            (f"sum({rate(f'{BATCH}_sum')}) / sum({rate(f'{BATCH}_count')})", "mean"),
            width=HALF,
        ),
        lines(
            "Shards loaded",
            "Times that a replica loaded a shard from what was committed: at starts, handovers and faults.",
            (f"sum({rate('selfmis_shard_loads_total')})", "loads"),
            unit="cps",
            width=HALF,
            alerts=("SelfmisShardUnowned",),
        ),
    ),
)
QUALITY = Row(
    "Quality",
    (
        lines(
            "Refused by the quality gate",
            "Windows that cannot be judged, by the main reason.",
            (f"sum by (reason) ({rate('selfmis_quality_rejects_total')})", "{{reason}}"),
            unit="cps",
            stacked=True,
            alerts=("SelfmisQualityCollapse",),
        ),
        lines(
            "Share that cannot be judged",
            "Of all windows of ten minutes, refused or missing samples. Above one half an alert fires.",
            ("selfmis:windows_refused:ratio10m", "refused"),
            unit="percentunit",
            steps=((0.25, YELLOW), (0.5, RED)),
            top=1,
            alerts=("SelfmisQualityCollapse",),
        ),
        lines(
            "Dead letters",
            "Entries and frames of ten minutes that could not be used, by reason: samples that are lost.",
            (f"sum by (reason) ({rate('selfmis_dead_letters_total', over='10m')}) * 600", "{{reason}}"),
            alerts=("SelfmisDeadLetters",),
            stacked=True,
        ),
    ),
)
STORE = Row(
    "Redis and replicas",
    (
        lines(
            "Redis memory",
            "All masters together.",
            (f"max({value('selfmis_redis_memory_bytes')})", "used"),
            unit="bytes",
            width=QUARTER,
            alerts=("SelfmisRedisMemory",),
        ),
        lines(
            "Entries kept",
            "In all streams. Grows without end: somebody still needs them, so look at the lag.",
            (f"max({value('selfmis_stream_entries')})", "entries"),
            width=QUARTER,
            alerts=("SelfmisRedisMemory", "SelfmisLag"),
        ),
        lines(
            "Replicas",
            "That live, and that refused the newest configuration and go on with the one before.",
            (f"max({value('selfmis_replicas')})", "live"),
            (f"max({value('selfmis_replicas_refusing_configuration')})", "refusing"),
            width=QUARTER,
            alerts=("SelfmisConfigurationRefused",),
            decimals=0,
        ),
        lines(
            "Shards",
            "Owned, and read by nobody.",
            (f"max by (state) ({value('selfmis_shards')})", "{{state}}"),
            width=QUARTER,
            stacked=True,
            alerts=("SelfmisShardUnowned",),
            decimals=0,
        ),
    ),
)


def told(metric: str, by: str = "") -> str:
    """How fast a counter of ingest processes and gateways grows; each counts what it does itself."""
    return f"sum by (job{by and ', '}{by}) (rate(selfmis_ingest_{metric}[$__rate_interval]))"


INGEST = Row(
    "Ingest and gateways",
    (
        lines(
            "Frames by outcome",
            "Confirmed by Redis, dropped by policy, or sent again after Redis came back.",
            (told("frames_total", "outcome"), "{{job}} {{outcome}}"),
            unit="cps",
            alerts=("SelfmisTargetDown",),
        ),
        lines(
            "Confirmed by Redis",
            "Bytes of record batches.",
            (told("bytes_total"), "{{job}}"),
            unit="Bps",
            alerts=("SelfmisTargetDown",),
        ),
        lines(
            "Entries",
            "Stream entries that Redis confirmed, and those trimmed because nobody needs them.",
            (told("entries_total"), "{{job}} confirmed"),
            (told("trimmed_entries_total"), "{{job}} trimmed"),
            unit="cps",
            alerts=("SelfmisRedisMemory",),
        ),
        lines(
            "Time held back",
            "Share of time that frames are held because the monitor is behind (lag) or Redis full (memory).",
            (told("held_seconds_total", "reason"), "{{job}} {{reason}}"),
            unit="percentunit",
            steps=((0.01, YELLOW), (0.5, RED)),
            alerts=("SelfmisLag", "SelfmisRedisMemory"),
        ),
        lines(
            "Waiting to be confirmed",
            "Bytes of frames that Redis has not confirmed; they are kept and sent again.",
            ("sum by (job) (selfmis_ingest_buffered_bytes)", "{{job}}"),
            ("max by (job) (selfmis_ingest_holding_back)", "{{job}} holds back"),
            unit="bytes",
            alerts=("SelfmisRedisDown",),
        ),
        lines(
            "Due to confirmed, 99 %",
            "How late frames are in Redis. Only of sources that keep time.",
            (INGEST_P99, "{{job}}"),
            unit="s",
            steps=((1, YELLOW), (10, RED)),
            alerts=("SelfmisRedisDown",),
        ),
        lines(
            "Patients sending",
            "Patients that each kind of process streams.",
            ("sum by (job) (selfmis_ingest_patients)", "{{job}}"),
            decimals=0,
            alerts=("SelfmisStreamLost",),
        ),
        lines(
            "Redis as senders see it",
            "Times that Redis came back as another process in an hour, and the slowest consumer's lag in seconds.",
            ("sum by (job) (increase(selfmis_ingest_reconnects_total[1h]))", "{{job}} came back"),
            ("max by (job) (selfmis_ingest_lag_seconds)", "{{job}} lag"),
            ("max by (job) (selfmis_ingest_redis_memory_bytes) / 2 ^ 30", "{{job}} memory, GiB"),
            alerts=("SelfmisRedisDown",),
        ),
        lines(
            "Requests to gateways",
            "Requests and WebSocket messages by route and status; 4xx: a device to look at, 5xx: Redis.",
            (told("gateway_requests_total", "route, code"), "{{route}} {{code}}"),
            unit="cps",
            alerts=("SelfmisTargetDown",),
        ),
    ),
)

BOARD = Board(
    "selfmis-pipeline",
    "SelfMIS: Pipeline",
    "Whether what patients send is looked at, all of it, and in time.",
    (NOW, FLOW, TIME, QUALITY, STORE, INGEST),
    (JOB, INSTANCE),
)
