"""The sections of the settings: every key, its type, its bounds, its default, and what it is for."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from shared.loopback import is_loopback

Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[float, Field(gt=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
WindowCount = Annotated[int, Field(ge=1, le=32)]
Seconds = Annotated[float, Field(gt=0, le=1e7)]


class Section(BaseModel):
    """A group of settings; refuses what it does not know and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class RedisSettings(Section):
    """Where Redis is. Without a URL an embedded server is started in ``data_dir``."""

    url: str | None = Field(
        None,
        description="redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://; unset: embedded server",
    )
    data_dir: Path = Field(Path("var/redis"), description="data folder of the embedded server")
    port: Port = Field(6390, description="port of the embedded server, loopback only")
    maxmemory_mb: int = Field(2048, ge=64, description="memory limit of the embedded server, MiB")
    timeout_s: Positive = Field(5.0, description="longest wait for one reply")

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).scheme not in REDIS_SCHEMES:
            raise ValueError(f"must start with one of {', '.join(s + '://' for s in REDIS_SCHEMES)}")
        return url


REDIS_SCHEMES = (
    "redis",
    "rediss",
    "unix",
    "redis+cluster",
    "rediss+cluster",
    "redis+sentinel",
    "rediss+sentinel",
)


class StreamSettings(Section):
    """The streams that carry frames."""

    shards: int = Field(64, ge=1, le=16384, description="number of shards; pinned in Redis at first start")
    replay_horizon_s: float = Field(60.0, ge=0, description="how long entries are kept beyond need, for replay")
    max_entry_bytes: int = Field(
        1 << 20, ge=4096, le=1 << 26, description="largest record batch in one stream entry"
    )


class WindowSettings(Section):
    """How a patient's samples are cut."""

    lead: Literal["I", "II"] = Field("I", description="the lead the wearables carry")
    stride_s: float = Field(5.0, ge=0.5, le=10.0, description="a new window starts this often")
    lateness_s: float = Field(2.0, ge=0, le=60, description="how far samples may arrive out of order")
    max_missing: float = Field(0.10, ge=0, lt=1, description="share of a window that may be interpolated")
    park_after_s: float = Field(
        60.0, ge=20, le=3600, description="a window open for longer than this is parked, out of memory"
    )
    max_patients: int = Field(20_000, ge=1, description="patients that one shard takes; more are refused")


class IngestSettings(Section):
    """How frames are pushed, and what happens when Redis or the consumers cannot take them."""

    buffer_mb: int = Field(256, ge=1, description="frames that Redis has not confirmed may take this much, MiB")
    when_full: Literal["block", "drop_oldest"] = Field(
        "block", description="a full buffer makes the sources wait, or drops (and counts) the oldest frames"
    )
    keep_s: float = Field(5.0, ge=0, description="confirmed frames are kept this long, in case Redis lost them")
    max_lag_s: Positive = Field(30.0, description="hold back when consumers are this far behind")
    max_memory: float = Field(0.85, gt=0, le=1, description="hold back above this share of Redis' maxmemory")
    upkeep_s: Positive = Field(1.0, description="how often lag and memory are read and streams are trimmed")
    resume_within_s: float = Field(
        300.0, ge=0, description="a source restarted within this time goes on where it was, later it begins anew"
    )
    metrics_host: str = Field("127.0.0.1", description="address of the ingest process' Prometheus metrics")
    metrics_port: int = Field(9108, ge=0, le=65535, description="port of the same; 0 for none")


class EngineSettings(Section):
    """What runs the model."""

    runtime: Literal["auto", "onnxruntime", "openvino", "torch"] = Field(
        "auto", description="auto: OpenVINO on a CPU where it is installed, else ONNX Runtime; torch on a GPU"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where model and processor allow it, else fp32"
    )
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="cpu, cuda or cuda:N")
    threads: int = Field(
        1, ge=1, le=256, description="threads of one call; replicas times this should be the cores"
    )


class MonitorSettings(Section):
    """Who owns which shard, and how much of what was committed is kept. Limits are per shard."""

    lease_s: float = Field(
        5.0, ge=0.2, le=300, description="a shard whose owner was silent this long may be taken over"
    )
    heartbeat_s: Positive = Field(1.0, description="how often a replica says that it lives; below lease_s")
    pace_s: float = Field(0.4, ge=0, le=5, description="a step begins at most this often; fewer steps cost less")
    alerts_keep_s: float = Field(
        7 * 86400.0, gt=0, le=1e9, description="alerts, their strips and dead letters are kept this long"
    )
    alerts_max: int = Field(1000, ge=1, description="and at most about this many of a shard")
    audit_keep_s: float = Field(
        30 * 86400.0, gt=0, le=1e9, description="who did what is kept this long, at least as long as alerts"
    )
    audit_max: int = Field(10_000, ge=1, description="and at most about this many entries of a shard")
    dead_letters_max: int = Field(200, ge=1, description="unusable entries kept of a shard")
    trend_every_s: float = Field(
        30.0, ge=0.5, le=86400, description="a patient's trend keeps one window of so much sample time"
    )
    trend_points: int = Field(240, ge=1, le=10_000, description="points kept of a patient's trend, 33 bytes each")

    @field_validator("heartbeat_s")
    @classmethod
    def _within_a_lease(cls, heartbeat_s: float, info: ValidationInfo) -> float:
        if heartbeat_s > info.data.get("lease_s", heartbeat_s * 2) / 2:
            raise ValueError("must be at most half of monitor.lease_s, or live replicas pass for dead")
        return heartbeat_s

    @field_validator("audit_keep_s")
    @classmethod
    def _as_long_as_alerts(cls, audit_keep_s: float, info: ValidationInfo) -> float:
        if audit_keep_s < info.data.get("alerts_keep_s", 0.0):
            raise ValueError("must be at least monitor.alerts_keep_s: an alert's audit goes with it, not before")
        return audit_keep_s


def _visible(token: SecretStr | None) -> SecretStr | None:
    """A token that a header can carry and that cannot be guessed."""
    if token is None:
        return None
    text = token.get_secret_value()
    if len(text) < 16 or not all("!" <= character <= "~" for character in text):
        raise ValueError("must be at least 16 visible ASCII characters, without spaces")
    return token


Token = Annotated[SecretStr | None, AfterValidator(_visible)]


class ApiSettings(Section):
    """Who may use the HTTP API and the console, and how much. Without any token both answer on loopback only."""

    view_token: Token = Field(None, description="bearer token that lets view, 16 characters or more")
    act_token: Token = Field(None, description="bearer token that lets do everything, 16 characters or more")
    tokens_file: Path | None = Field(
        None, description="file of more tokens: lines of a role (view, act) and the token's SHA-256 in hex"
    )
    requests_per_s: Positive = Field(
        200.0,
        description="requests of one caller per second and replica, over time; twice as many may come at once",
    )
    max_body_bytes: int = Field(1 << 16, ge=1024, le=1 << 24, description="largest request body but an upload's")
    max_upload_bytes: int = Field(
        1 << 24, ge=1 << 16, le=1 << 28, description="largest recording to score; unpacked four times as much"
    )
    max_streams: int = Field(200, ge=1, le=10_000, description="event streams of one replica")
    scorings: int = Field(1, ge=1, le=16, description="recordings that one replica scores at a time")
    command_wait_s: float = Field(
        2.0, ge=0, le=30, description="so long a command is waited for before the answer is that it is pending"
    )
    fhir_patient_system: str = Field(
        "http://selfmis-monitor.invalid/fhir/patient",
        pattern=r"^[A-Za-z][A-Za-z0-9+.\-]*:[^\s|]+$",
        description="the system (a URI) of patients' identifiers in FHIR resources",
    )


class GatewaySettings(Section):
    """Where devices hand in frames over HTTP and WebSocket, and how much they may."""

    host: str = Field("127.0.0.1", description="address of the gateway; any but loopback needs a token")
    port: int = Field(8787, ge=0, le=65535, description="port of the gateway; 0 for any free one")
    token: Token = Field(None, description="bearer token that every sender must show, 16 characters or more")
    max_body_bytes: int = Field(
        1 << 20, ge=1024, le=1 << 26, description="largest request body or WebSocket message"
    )
    max_frames: int = Field(2000, ge=1, description="most frames in one request or message")
    max_samples_per_s: Positive = Field(
        10_000.0, description="samples of one patient per second, over time; a minute's worth may come at once"
    )
    max_clock_skew_s: float = Field(
        300.0, ge=0, description="how far in the future a session may begin, and samples end"
    )
    confirm_timeout_s: Positive = Field(5.0, description="answer 503 if Redis has not confirmed within this time")
    body_timeout_s: Positive = Field(10.0, description="a request's header, and its body, must arrive within this")
    idle_timeout_s: Positive = Field(120.0, description="a WebSocket without a message for so long is closed")
    session_memory_s: float = Field(
        7 * 86400.0, ge=60, description="how long the start of a silent session is remembered"
    )


class WebhookSettings(Section):
    """Where `selfmis webhook` posts each alert, signed, and how it tries again."""

    url: str | None = Field(
        None,
        description="https:// address that takes alerts (http:// on loopback only); several: with blanks between",
    )
    secret: Token = Field(None, description="key of the signatures, 16 characters or more; the receivers know it")
    timeout_s: float = Field(5.0, gt=0, le=60, description="an answer must be complete within this")
    retry_first_s: Positive = Field(1.0, description="after a failure the next try comes so much later …")
    retry_most_s: Positive = Field(300.0, description="… then twice as much each time, up to this")
    give_up_s: Positive = Field(86_400.0, description="an alert this old that fails once more is given up")
    metrics_host: str = Field("127.0.0.1", description="address of the sender's Prometheus metrics")
    metrics_port: int = Field(9109, ge=0, le=65535, description="port of the same; 0 for none")

    @field_validator("url")
    @classmethod
    def _safe(cls, url: str | None) -> str | None:
        for one in (url or "").split():
            try:
                parts = urlsplit(one)
                host, user, _ = parts.hostname, parts.username, parts.port
            except ValueError:
                raise ValueError("is no address") from None
            if not host or user is not None:
                raise ValueError("must be https://host/path, without user or password")
            if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
                raise ValueError("must be https://: alerts name patients (http:// is for loopback only)")
        return url

    @property
    def urls(self) -> tuple[str, ...]:
        """Each address once."""
        return tuple(dict.fromkeys((self.url or "").split()))

    @model_validator(mode="after")
    def _signed(self) -> "WebhookSettings":
        if self.urls and self.secret is None:
            raise ValueError("an address needs webhook.secret (SELFMIS_WEBHOOK_SECRET): alerts are signed")
        return self


class AlarmSettings(Section):
    """When an alarm begins, escalates and ends. Probabilities are calibrated any-MI, smoothed over windows.

    The first eight were picked for the shipped lead-I model (`selfmis alarms streams`, docs/model-on-streams.md);
    a model that carries its own (`shared.artefact.AlarmRules`) is judged by those, where nobody has set others.
    """

    low: Probability = Field(0.4, description="smoothed any-MI that speaks for a low-priority alarm")
    medium: Probability = Field(0.7, description="the same for medium priority")
    high: Probability = Field(0.85, description="the same for high priority")
    off: Probability = Field(0.28, description="smoothed any-MI below which a window speaks against an alarm")
    smoothing: float = Field(
        0.2, gt=0, le=1, description="weight of the newest assessable window; 1: no smoothing"
    )
    on_windows: WindowCount = Field(3, description="windows that must speak for an alarm …")
    of_windows: WindowCount = Field(3, description="… of so many last assessable ones")
    off_windows: WindowCount = Field(4, description="windows in a row that must speak against it to end it")
    evidence_gap_s: Seconds = Field(
        60.0, description="after so long without an assessable window, evidence is void"
    )
    type_margin: Probability = Field(0.1, description="lead of a type over another below which they are close")
    type_floor: Probability = Field(0.2, description="an alarm names no type that is less likely than this")
    escalate_after_s: Seconds = Field(120.0, description="unacknowledged this long, an MI alarm escalates")
    escalations: int = Field(3, ge=0, le=100, description="how often it does so at most")
    latch_timeout_s: Seconds | None = Field(
        None, description="an MI alarm whose condition is gone ends by itself after this; unset: never"
    )
    refractory_s: float = Field(
        120.0, ge=0, le=1e7, description="after its end no new MI alarm of the same level for so long"
    )
    technical_windows: WindowCount = Field(3, description="windows without contact (or too poor) that alarm …")
    technical_of_windows: WindowCount = Field(4, description="… of so many last ones")
    technical_off_windows: WindowCount = Field(2, description="windows in a row that must be fine again")
    technical_refractory_s: float = Field(
        30.0, ge=0, le=1e7, description="the refractory time of technical alarms"
    )
    stream_lost_s: Seconds = Field(15.0, description="silence of a patient or a source that alarms")
    gather_s: float = Field(
        3.0, ge=0, le=1e7, description="a single patient's or shard's silence alarms so much later than a source's"
    )
    system_patients: int = Field(3, ge=2, description="fewest patients whose common silence is one system alarm")

    @model_validator(mode="after")
    def _consistent(self) -> "AlarmSettings":
        if not self.off < self.low <= self.medium <= self.high:
            raise ValueError("must be off < low <= medium <= high")
        for prefix in ("", "technical_"):
            on, of, off = (
                getattr(self, name)
                for name in (
                    f"{prefix}windows" if prefix else "on_windows",
                    f"{prefix}of_windows",
                    f"{prefix}off_windows",
                )
            )
            if on > of:
                raise ValueError(f"{prefix or 'on_'}windows must be at most {prefix}of_windows")
            # Else the same windows could begin and end an alarm.
            if off <= of - on:
                raise ValueError(
                    f"{prefix}off_windows must be above {of - on}: {prefix}of_windows less those needed"
                )
        return self


class WatchSettings(Section):
    """The Prometheus and Alertmanager that the demo starts where they are installed; loopback only."""

    prometheus_port: int = Field(9090, ge=0, le=65535, description="port of the demo's Prometheus; 0 for none")
    alertmanager_port: int = Field(9093, ge=0, le=65535, description="port of the demo's Alertmanager; 0 for none")
    webhook_url: SecretStr | None = Field(
        None, description="where Alertmanager sends alerts; unset: it only shows them"
    )

    @field_validator("webhook_url")
    @classmethod
    def _is_web(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and urlsplit(url.get_secret_value()).scheme not in {"http", "https"}:
            raise ValueError("must start with http:// or https://")
        return url
