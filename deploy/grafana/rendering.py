"""From our boards to Grafana's JSON, by the SDK of Grafana's makers (a dependency of developers only).

Every panel gets a data source, a place on the grid, an id, thresholds and links here: none can be forgotten.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import count

from grafana_foundation_sdk.builders import (
    barchart,
    bargauge,
    dashboard,
    heatmap,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import common as parts
from grafana_foundation_sdk.builders import text as words
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models import text as text_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.grafana.panels import GREEN, RED, Board, Choice, Look, Panel, Query
from deploy.grafana.runbook import UID as RUNBOOK

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
CONSOLE = "http://127.0.0.1:8000"
TAG = "selfmis"
FIRING = 'ALERTS{alertname=~"Selfmis.*",alertname!="SelfmisDeadMansSwitch",alertstate="firing"}'
Built = timeseries.Panel | stat.Panel | bargauge.Panel | barchart.Panel | heatmap.Panel | table.Panel | words.Panel


def rendered(board: Board, runbook: Mapping[str, int]) -> str:
    """The board as Grafana reads it. ``runbook``: the panel of each alert on the runbook's board."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.about)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .time(board.span, "now")
        .refresh(board.refresh)
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .variables([*_variables(board)])
        .annotation(
            dashboard.AnnotationQuery().name("Alerts").datasource(SOURCE).enable(True).icon_color(RED).expr(FIRING)
        )
        .link(_boards())
        .link(_link("Ward console", "${console}/", "Who, and why. Acknowledge and mute there."))
    )
    numbers = count(1)
    for row in board.rows:
        made.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            made.with_panel(_panel(panel, next(numbers), runbook))
    return json.dumps(made.build(), cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _variables(
    board: Board,
) -> Iterator[dashboard.DatasourceVariable | dashboard.QueryVariable | dashboard.TextBoxVariable]:
    yield (
        dashboard.DatasourceVariable("datasource")
        .label("Prometheus")
        .description("The Prometheus that scrapes the monitor.")
        .type("prometheus")
    )
    for choice in board.choices:
        yield _query_variable(choice)
    yield (
        dashboard.TextBoxVariable("console")
        .label("Console")
        .description("Address of the ward console and the API, as your browser reaches it.")
        .default_value(CONSOLE)
        .current(model.VariableOption(selected=True, text=CONSOLE, value=CONSOLE))
    )


def _query_variable(choice: Choice) -> dashboard.QueryVariable:
    made = (
        dashboard.QueryVariable(choice.name)
        .label(choice.title)
        .description(choice.about)
        .datasource(SOURCE)
        .query(f"label_values({choice.metric}, {choice.label})")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )
    if choice.many:
        made.multi(True).include_all(True).all_value(".*")
        made.current(model.VariableOption(selected=True, text="All", value="$__all"))
    return made


def _boards() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("SelfMIS")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .keep_time(True)
        .tooltip("The other boards")
    )


def _link(title: str, url: str, tooltip: str) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink(title)
        .type(model.DashboardLinkType.LINK)
        .url(url)
        .tooltip(tooltip)
        .target_blank(True)
    )


def _panel(panel: Panel, number: int, runbook: Mapping[str, int]) -> Built:
    made = _LOOKS[panel.look](panel)
    made.id(number).title(panel.title).description(panel.about).span(panel.width).height(panel.height)
    made.links(
        [
            *(
                _link(f"Runbook: {alert}", f"/d/{RUNBOOK}?viewPanel={runbook[alert]}", "What to do")
                for alert in panel.alerts
            ),
            _link("Ward console", "${console}/", "Who, and why"),
        ]
    )
    if panel.look is Look.TEXT:
        return made
    made.datasource(SOURCE).targets([*_targets(panel)])
    made.unit(panel.unit)
    made.no_value("no data")
    made.thresholds(
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps(
            [
                model.Threshold(value=None, color=GREEN),
                *(model.Threshold(value=at, color=color) for at, color in panel.steps),
            ]
        )
    )
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    made.min(0)
    if panel.top is not None:
        made.max(panel.top)
    return made


def _targets(panel: Panel) -> Iterator[prometheus.Dataquery]:
    for place, query in enumerate(panel.queries):
        yield _target(query, chr(ord("A") + place), panel.look)


def _target(query: Query, ref: str, look: Look) -> prometheus.Dataquery:
    made = prometheus.Dataquery().datasource(SOURCE).ref_id(ref).expr(query.expr)
    made.legend_format(query.legend or "__auto")
    if look in {Look.TABLE, Look.COLUMNS}:
        made.format(PromQueryFormat.TABLE)
    elif look is Look.HEAT:
        made.format(PromQueryFormat.HEATMAP)
    else:
        made.format(PromQueryFormat.TIME_SERIES)
    return made.instant() if query.now else made.range()


def _lines(panel: Panel) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(20 if panel.stacked else 5)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            parts.VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
        .tooltip(parts.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    )
    if panel.stacked:
        made.stacking(parts.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if panel.steps:
        made.thresholds_style(parts.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
    return made


def _last() -> parts.ReduceDataOptions:
    return parts.ReduceDataOptions().calcs(["lastNotNull"])


def _number(panel: Panel) -> stat.Panel:
    color = common.BigValueColorMode.BACKGROUND if panel.steps else common.BigValueColorMode.VALUE
    return (
        stat.Panel()
        .reduce_options(_last())
        .color_mode(color)
        .graph_mode(common.BigValueGraphMode.AREA)
        .text_mode(common.BigValueTextMode.VALUE)
    )


def _bars(_: Panel) -> bargauge.Panel:
    return (
        bargauge.Panel()
        .reduce_options(_last())
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
    )


def _columns(panel: Panel) -> barchart.Panel:
    """Side by side by bucket: the tables of all queries joined on its upper edge."""
    named = {f"Value #{chr(ord('A') + place)}": query.legend for place, query in enumerate(panel.queries)}
    hidden = {f"Time {place + 1}": True for place in range(len(panel.queries))} | {"Time": True}
    return (
        barchart.Panel()
        .x_field("le")
        .orientation(common.VizOrientation.VERTICAL)
        .show_value(common.VisibilityMode.NEVER)
        .with_transformation(
            model.DataTransformerConfig(id_val="joinByField", options={"byField": "le", "mode": "outer"})
        )
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize", options={"excludeByName": hidden, "renameByName": named, "indexByName": {}}
            )
        )
        .with_transformation(
            model.DataTransformerConfig(id_val="sortBy", options={"fields": {}, "sort": [{"field": "le"}]})
        )
    )


def _heat(panel: Panel) -> heatmap.Panel:
    return (
        heatmap.Panel()
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heat.HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .scale(heat.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(64)
        )
        .y_axis(heatmap.YAxisConfig().unit(panel.unit))
        .cell_values(heatmap.CellValues().unit("cps"))
        .show_legend()
    )


def _table(_: Panel) -> table.Panel:
    return (
        table.Panel()
        .show_header(True)
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={"excludeByName": {"Time": True, "Value": True}, "indexByName": {}, "renameByName": {}},
            )
        )
    )


def _text(panel: Panel) -> words.Panel:
    return words.Panel().mode(text_models.TextMode.MARKDOWN).content(panel.text)


_LOOKS: Mapping[Look, Callable[[Panel], Built]] = {
    Look.LINES: _lines,
    Look.NUMBER: _number,
    Look.BARS: _bars,
    Look.COLUMNS: _columns,
    Look.HEAT: _heat,
    Look.TABLE: _table,
    Look.TEXT: _text,
}
