"""Training: Ray Train's own metrics, and the machines it runs on. They come from Ray's targets, not our API."""

from deploy.grafana.panels import HALF, RED, YELLOW, Board, Choice, Look, Row, lines, now

RUN = Choice("run", "Run", "Names of Ray Train's runs.", "ray_train_controller_state", "ray_train_run_name")
SELECTED = 'ray_train_run_name=~"$run"'
STATE = f"max by (ray_train_run_name, ray_train_controller_state) (ray_train_controller_state{{{SELECTED}}})"
GONE = "Ray sets it back to 0 when the run ends."


def spent(metric: str, by: str) -> str:
    """Seconds that Ray has added up in a gauge."""
    return f"sum by (ray_train_run_name{by}) (ray_train_{metric}{{{SELECTED}}})"


RANK, RANKED = ", ray_train_worker_world_rank", "{{ray_train_run_name}} worker {{ray_train_worker_world_rank}}"
RUNS = Row(
    "Runs",
    (
        now(
            Look.TABLE,
            "State now",
            "The state of each run's controller: RUNNING, RESIZING, FINISHED, ERRORED …",
            (f"{STATE} == 1", "{{ray_train_run_name}}"),
            width=HALF,
        ),
        lines(
            "State",
            "1 while a run's controller is in that state. Again and again SCHEDULING or RESTARTING: workers die;"
            " Ray's log says why.",
            (f"{STATE}", "{{ray_train_run_name}} {{ray_train_controller_state}}"),
            width=HALF,
            top=1,
            decimals=0,
        ),
        lines(
            "Starting and stopping workers",
            f"Time that the controller has spent on it. Steps: the worker group was made anew. {GONE}",
            (spent("worker_group_start_total_time_s", ""), "{{ray_train_run_name}} start"),
            (spent("worker_group_shutdown_total_time_s", ""), "{{ray_train_run_name}} stop"),
            unit="s",
            width=HALF,
        ),
        now(
            Look.BARS,
            "Actors of Ray Train",
            "Controllers and workers that live.",
            (
                'sum by (Name) (ray_actors{Name=~"RayTrainWorker|TrainController",Source="gcs",State="ALIVE"})',
                "{{Name}}",
            ),
            width=HALF,
            decimals=0,
        ),
    ),
)
REPORTS = Row(
    "Reports and checkpoints",
    (
        lines(
            "Blocked in ray.train.report",
            f"Time that each worker has waited there; it is a barrier for all. {GONE}",
            (spent("report_total_blocked_time_s", RANK), RANKED),
            unit="s",
        ),
        lines(
            "Checkpoints: waiting for each other",
            f"Much of it, unevenly: one worker is slower than the others. {GONE}",
            (spent("checkpoint_sync_total_time_s", RANK), RANKED),
            unit="s",
        ),
        lines(
            "Checkpoints: writing",
            f"Time spent moving files to storage. Much of it: slow storage, or checkpoints too often. {GONE}",
            (spent("checkpoint_transfer_total_time_s", RANK), RANKED),
            unit="s",
        ),
    ),
)
NODE = "{{ip}}{{instance}}"
MACHINES = Row(
    "Machines",
    (
        lines(
            "Processors",
            "Busy cores of each node of Ray, and how many there are.",
            ("sum by (instance, ip) (ray_node_cpu_utilization * ray_node_cpu_count / 100)", f"{NODE} busy"),
            ("sum by (instance, ip) (ray_node_cpu_count)", f"{NODE} all"),
        ),
        lines(
            "Memory",
            "Share that is used. Ray kills tasks from 95 % on.",
            ("max by (instance, ip) (ray_node_mem_used / ray_node_mem_total)", NODE),
            unit="percentunit",
            steps=((0.85, YELLOW), (0.95, RED)),
            top=1,
        ),
        lines(
            "Disk",
            "Share that is used of the disk with Ray's temporary folder.",
            ("max by (instance, ip) (ray_node_disk_utilization_percentage) / 100", NODE),
            unit="percentunit",
            steps=((0.85, YELLOW), (0.95, RED)),
            top=1,
        ),
        lines(
            "Object store",
            "Memory of Ray's object store in use.",
            ("sum by (instance, NodeAddress) (ray_object_store_used_memory)", "{{NodeAddress}}"),
            unit="bytes",
            width=HALF,
        ),
        lines(
            "Network",
            "Received and sent by each node.",
            ("sum by (instance, ip) (ray_node_network_receive_speed)", f"{NODE} in"),
            ("sum by (instance, ip) (ray_node_network_send_speed)", f"{NODE} out"),
            unit="Bps",
            width=HALF,
        ),
    ),
)
BOARD = Board(
    "selfmis-training",
    "SelfMIS: Training",
    "Ray Train's runs. Wants Prometheus to scrape Ray: the job `ray` in deploy/prometheus/prometheus.yml.",
    (RUNS, REPORTS, MACHINES),
    (RUN,),
    span="now-3h",
    refresh="30s",
)
