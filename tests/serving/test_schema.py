"""Requests made up from the OpenAPI, valid and not: none may be a server error, whatever is sent."""

import os
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error

EXAMPLES = int(os.environ.get("ACCLIMATE_SCHEMA_EXAMPLES", "5"))


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_no_made_up_request_is_a_server_error(client, mode):
    address = str(client.base_url).rstrip("/")
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def attempt(case):
            nonlocal tried
            tried += 1
            case.call_and_validate(base_url=address, checks=[not_a_server_error])

        with suppress(Unsatisfiable):  # an operation without parameters has no invalid request
            attempt()
    assert tried >= 25
