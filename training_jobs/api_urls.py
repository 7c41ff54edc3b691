"""Addresses of training's API, namespace ``training-api``; what is not here falls to the translator's."""

from __future__ import annotations

from django.urls import path

from training_jobs.api import datasets, runs, sweeps, uploads

app_name = "training-api"

UPLOAD = "uploads/<uuid:upload_id>/"
DATASET = "datasets/<uuid:dataset_id>/"
VERSION = f"{DATASET}versions/<int:number>/"
RUN = "training-runs/<uuid:run_id>/"
SWEEP = "sweeps/<uuid:sweep_id>/"

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
    path("training-runs/", runs.RunsView.as_view(), name="runs"),
    path("training-runs/estimate/", runs.RunEstimateView.as_view(), name="run-estimate"),
    path(RUN, runs.RunView.as_view(), name="run"),
    path(f"{RUN}curves/", runs.RunCurvesView.as_view(), name="run-curves"),
    path(f"{RUN}notes/", runs.RunNotesView.as_view(), name="run-notes"),
    path(f"{RUN}extend/", runs.RunExtendView.as_view(), name="run-extend"),
    path(f"{RUN}<slug:action>/", runs.RunActionView.as_view(), name="run-act"),
    path("sweeps/", sweeps.SweepsView.as_view(), name="sweeps"),
    path(SWEEP, sweeps.SweepView.as_view(), name="sweep"),
    path(f"{SWEEP}trials/", sweeps.TrialsView.as_view(), name="sweep-trials"),
    path(f"{SWEEP}<slug:action>/", sweeps.SweepActionView.as_view(), name="sweep-act"),
]
