"""Grafana's boards as code: what they show (`ward`, `pipeline`, `model`, `training`, `runbook`), in terms of
our own (`panels`), turned into Grafana's JSON by its makers' SDK (`rendering`, for developers only).

    python -m deploy.grafana

writes `dashboards/*.json`, which are committed; `provisioning/` tells Grafana of them. docs/grafana.md is for
users.
"""
