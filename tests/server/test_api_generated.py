"""Requests made up from the description of the API: none makes it fail, none surprises it.

A longer run: ``SPANLEDGER_API_EXAMPLES=200 pytest -m endurance`` of this file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from spanledger_server.api.app import create_app
from spanledger_storage.engine import Engine
from tests.conftest import fresh_store
from tests.dashboard.seed import Seeder
from tests.keys import key_state

EXAMPLES = int(os.environ.get("SPANLEDGER_API_EXAMPLES", "5"))
TRACE = "ab" * 16


@pytest.fixture(scope="module")
def schema(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[schemathesis.BaseSchema]:
    with fresh_store(engine) as store, key_state(tmp_path_factory.mktemp("state")) as state:
        rows = Seeder(store, 1_790_000_000)
        rows.entry(rows.span(TRACE, "cd" * 8, agent_name="a"), "0.25")
        rows.trace(TRACE)
        rows.trajectory(TRACE)
        rows.insert()
        app = create_app(store.settings, state=state.engine)
        made = schemathesis.openapi.from_dict(app.openapi())
        made.app = app
        yield made


CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
SETTINGS = settings(
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
    ],
)


def _check(case: schemathesis.Case[Any]) -> None:
    answer = case.call(base_url="http://localhost")
    case.validate_response(answer, checks=CHECKS)


@pytest.mark.timeout(900)  # seconds on a quiet machine, minutes on a busy one
@pytest.mark.endurance
def test_no_request_makes_the_api_fail(schema: schemathesis.BaseSchema) -> None:
    """Of every operation: some requests that are right, and some that are not."""
    count = 0
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]  # the other is an error, and fails here
        for mode in schemathesis.GenerationMode:
            with contextlib.suppress(Unsatisfiable):  # nothing can be wrong without parameters
                check = given(operation.as_strategy(generation_mode=mode))(_check)
                seed(20_261_121)(settings(SETTINGS, max_examples=EXAMPLES)(check))()
                count += 1
    assert count > 40
