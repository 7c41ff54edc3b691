"""The administration knows every model, its lists open, and what services own is not edited past them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import JSONField, Model
from django.test import RequestFactory
from django.urls import reverse

from accounts.models import User
from jobs.models import Job
from tests.operations.conftest import Clients
from training_jobs.models import RunNote, TrainingRun

OURS = ("accounts", "jobs", "notifications", "training", "translator", "mapgan_site", "storage")
MODELS = [model for model in apps.get_models() if model._meta.app_label in OURS]

# allauth's EmailConfirmation is left out: its rows are keys, and it registers them only where it makes any.
ADDRESSES = [apps.get_model("account", "EmailAddress")]
WRITTEN = [model for model in MODELS if issubclass(model, Job) or hasattr(model, "storage_keys")]

names = pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)


@pytest.mark.parametrize("model", [*MODELS, *ADDRESSES], ids=lambda model: model._meta.label)
def test_every_model_is_registered(model: type[Model]) -> None:
    assert model in admin.site._registry, f"Register {model._meta.label} in its app's admin.py."


@names
def test_its_list_and_its_search_open_for_staff_alone(clients: Clients, model: type[Model]) -> None:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for name, client in clients.items():
        assert client.get(address).status_code == (200 if name == "carol" else 302), name
    if admin.site._registry[model].search_fields:
        assert clients["carol"].get(address, {"q": "a'b%_"}).status_code == 200


@names
def test_its_list_tells_more_than_a_name(model: type[Model]) -> None:
    options = admin.site._registry[model]
    assert len(options.list_display) > 1, f"{model._meta.label}: say what helps in `list_display`."


@pytest.mark.parametrize("model", WRITTEN, ids=lambda model: model._meta.label)
def test_rows_with_files_or_workers_are_written_by_services(model: type[Model], carol: User) -> None:
    """A form's save would overwrite what a worker writes; a row made here would have no files."""
    request = RequestFactory().get("/")
    request.user = carol
    options = admin.site._registry[model]
    assert not options.has_add_permission(request)
    if options.has_change_permission(request):
        written = {field.name for field in model._meta.fields if isinstance(field, JSONField)}
        assert written <= set(options.readonly_fields)
    if options.has_delete_permission(request):
        assert type(options).delete_model is not admin.ModelAdmin.delete_model, "its files would stay behind"


@pytest.mark.django_db
def test_a_list_of_many_rows_asks_few_questions(
    clients: Clients, carol: User, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    from mapgan.presets import preset
    from training_jobs.models import Dataset, DatasetVersion

    dataset = Dataset.objects.create(name="Town", created_by=carol)
    version = DatasetVersion.objects.create(
        dataset=dataset, number=1, source="upload", state="succeeded", archive="a", report="r"
    )
    for number in range(30):
        run = TrainingRun.objects.create(
            name=f"Run {number}", dataset_version=version, config=preset("draft").to_dict(), created_by=carol
        )
        RunNote.objects.create(run=run, kind="alarm", message="x", by=carol)
    for model in (TrainingRun, RunNote, DatasetVersion):
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        with django_assert_max_num_queries(15):
            assert clients["carol"].get(address).status_code == 200
