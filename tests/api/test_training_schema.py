"""What the OpenAPI document says of datasets and uploads is true for staff, too: schemathesis tries it."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis

from accounts.models import User
from accounts.services import api_token_create
from tests.api.test_schema import CHECKS, schema, try_everything
from tests.training.conftest import archive, brought, uploaded
from training_jobs.models import Dataset

__all__ = ["archive", "schema"]


@pytest.fixture
def staff_of_it(carol: User) -> dict[str, str]:
    """Carol's token."""
    return {"Authorization": f"Bearer {api_token_create(user=carol, name='schemathesis')[1]}"}


def test_datasets_and_uploads(
    schema: Any, subtests: pytest.Subtests, staff_of_it: dict[str, str], carol: User, archive: bytes
) -> None:
    made = iter(range(10**6))

    def send(case: schemathesis.Case) -> None:
        rows = {"upload_id": uploaded(carol, b"1234").pk, "number": 1}
        if "dataset_id" in case.path_parameters:
            Dataset.objects.all().delete()
            rows["dataset_id"] = brought(carol, archive, name=f"Maps {next(made)}").dataset_id
        for name, value in rows.items():
            if name in case.path_parameters:
                case.path_parameters[name] = str(value)
        case.call_and_validate(headers=staff_of_it, checks=CHECKS)

    wanted = schema.include(path_regex="^/api/v1/(datasets|uploads)/")
    try_everything(wanted, subtests, 6, send)
