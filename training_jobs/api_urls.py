"""Addresses of training's API, namespace ``training-api``; what is not here falls to the translator's."""

from __future__ import annotations

from django.urls import path

from training_jobs.api import checkpoints, datasets, runs, sweeps, uploads

app_name = "training-api"

UPLOAD = "uploads/<uuid:upload_id>/"
DATASET = "datasets/<uuid:dataset_id>/"
VERSION = f"{DATASET}versions/<int:number>/"
RUN = "training-runs/<uuid:run_id>/"
SWEEP = "sweeps/<uuid:sweep_id>/"

CHECKPOINT = "checkpoints/<uuid:checkpoint_id>/"
EVALUATION = "evaluations/<uuid:evaluation_id>/"
PUBLICATION = "publications/<uuid:publication_id>/"

checkpoint_patterns = [
    path("checkpoints/", checkpoints.CheckpointsView.as_view(), name="checkpoints"),
    path(CHECKPOINT, checkpoints.CheckpointView.as_view(), name="checkpoint"),
    path(
        f"{CHECKPOINT}evaluations/",
        checkpoints.CheckpointEvaluationsView.as_view(),
        name="checkpoint-evaluate",
    ),
    path(
        f"{CHECKPOINT}publications/",
        checkpoints.CheckpointPublicationsView.as_view(),
        name="checkpoint-publish",
    ),
    path("evaluations/", checkpoints.EvaluationsView.as_view(), name="evaluations"),
    path(EVALUATION, checkpoints.EvaluationView.as_view(), name="evaluation"),
    path(f"{EVALUATION}cancel/", checkpoints.EvaluationCancelView.as_view(), name="evaluation-cancel"),
    path(f"{EVALUATION}retry/", checkpoints.EvaluationRetryView.as_view(), name="evaluation-retry"),
    path("publications/", checkpoints.PublicationsView.as_view(), name="publications"),
    path(PUBLICATION, checkpoints.PublicationView.as_view(), name="publication"),
    path(f"{PUBLICATION}offer/", checkpoints.PublicationOfferView.as_view(), name="publication-offer"),
    path(f"{PUBLICATION}cancel/", checkpoints.PublicationCancelView.as_view(), name="publication-cancel"),
    path(f"{PUBLICATION}retry/", checkpoints.PublicationRetryView.as_view(), name="publication-retry"),
]

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
    *checkpoint_patterns,
]
