"""The API fuzzed from its own OpenAPI description: whatever is sent, no 5xx, and answers are as described."""

from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.services.inference.api.conftest import Monitored, served
from tests.services.inference.fhir.published import checked

CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]
ENDLESS = {"/api/alerts/stream", "/api/strips/stream"}
UNHURRIED = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)


def fuzz(app: FastAPI, examples: int) -> int:
    """Send so many cases to each operation; how many operations there are."""
    schema = schemathesis.openapi.from_dict(app.openapi())
    operations = [found.ok() for found in schema.get_all_operations()]
    with served(app) as url:
        for operation in operations:
            if operation.path in ENDLESS:
                continue

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                suppress_health_check=UNHURRIED,
                phases=(Phase.generate,),
            )
            @given(case=operation.as_strategy())
            def send(case: Any) -> None:
                answer = case.call(base_url=url, timeout=20)
                case.validate_response(answer, checks=CHECKS)
                if answer.status_code >= 400:
                    said = answer.json()
                    if case.operation.path.startswith("/fhir"):
                        checked(said)
                        return
                    assert list(said) == ["error"] or answer.status_code == 503, said
                    assert "\n" not in said.get("error", "")

            send()
    return len(operations)


def test_a_few_random_requests_to_every_operation_find_no_fault(monitored: Monitored) -> None:
    assert fuzz(monitored.app("api.requests_per_s=1000000", "api.command_wait_s=0"), 2) > 25


@pytest.mark.full
def test_many_random_requests_to_every_operation_find_no_fault(monitored: Monitored) -> None:
    fuzz(monitored.app("api.requests_per_s=1000000", "api.command_wait_s=0"), 150)
