"""Addresses of training's API, namespace ``training-api``; what is not here falls to the translator's."""

from __future__ import annotations

from django.urls import path

from training_jobs.api import datasets, uploads

app_name = "training-api"

UPLOAD = "uploads/<uuid:upload_id>/"
DATASET = "datasets/<uuid:dataset_id>/"
VERSION = f"{DATASET}versions/<int:number>/"

urlpatterns = [
    path("uploads/", uploads.UploadsView.as_view(), name="uploads"),
    path(UPLOAD, uploads.UploadView.as_view(), name="upload"),
    path("datasets/", datasets.DatasetsView.as_view(), name="datasets"),
    path(DATASET, datasets.DatasetView.as_view(), name="dataset"),
    path(f"{DATASET}versions/", datasets.VersionsView.as_view(), name="versions"),
    path(VERSION, datasets.VersionView.as_view(), name="version"),
    path(f"{VERSION}report/", datasets.VersionReportView.as_view(), name="version-report"),
    path(f"{VERSION}sheets/<slug:kind>/", datasets.VersionSheetView.as_view(), name="version-sheet"),
    path(f"{VERSION}cancel/", datasets.VersionCancelView.as_view(), name="version-cancel"),
    path(f"{VERSION}retry/", datasets.VersionRetryView.as_view(), name="version-retry"),
]
