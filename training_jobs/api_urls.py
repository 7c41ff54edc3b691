"""Addresses of training's API, namespace ``training-api``; what is not here falls to the translator's."""

from __future__ import annotations

from django.urls import path

from training_jobs.api import datasets

app_name = "training-api"

DATASET = "datasets/<uuid:dataset_id>/"

urlpatterns = [
    path("datasets/", datasets.DatasetsView.as_view(), name="datasets"),
    path(DATASET, datasets.DatasetView.as_view(), name="dataset"),
]
