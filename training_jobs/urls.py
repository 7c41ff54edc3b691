"""Addresses of training, in the namespace ``training``."""

from __future__ import annotations

from django.urls import include, path

from training_jobs.views import (
    board,
    checkpoints,
    comparing,
    curves,
    datasets,
    files,
    launching,
    publications,
    runs,
    sweeps,
    timelapses,
    uploads,
)

patterns = [
    path("datasets/", datasets.index, name="datasets"),
    path("datasets/new/", datasets.new, name="dataset-new"),
    path("datasets/<uuid:dataset_id>/", datasets.detail, name="dataset"),
    path("datasets/<uuid:dataset_id>/edit/", datasets.edit, name="dataset-edit"),
    path("datasets/<uuid:dataset_id>/delete/", datasets.delete, name="dataset-delete"),
    path("datasets/<uuid:dataset_id>/versions/new/", datasets.version_new, name="version-new"),
    path("datasets/<uuid:dataset_id>/versions/<int:number>/", datasets.detail, name="version"),
    path("versions/<uuid:version_id>/status/", datasets.status, name="version-status"),
    path("versions/<uuid:version_id>/sheets/<slug:kind>/", datasets.sheet, name="version-sheet"),
    path("versions/<uuid:version_id>/cancel/", datasets.cancel, name="version-cancel"),
    path("versions/<uuid:version_id>/retry/", datasets.retry, name="version-retry"),
    path("runs/", launching.index, name="runs"),
    path("runs/new/", launching.new, name="run-new"),
    path("runs/costs/", launching.costs, name="run-costs"),
    path("runs/compare/", comparing.compare, name="compare"),
    path("runs/<uuid:run_id>/", runs.detail, name="run"),
    path("runs/<uuid:run_id>/status/", runs.status, name="run-status"),
    path("runs/<uuid:run_id>/curves/", curves.curve_data, name="run-curves"),
    path("runs/<uuid:run_id>/config.toml", files.config, name="run-config"),
    path("runs/<uuid:run_id>/tensorboard.zip", files.events, name="run-events"),
    path("runs/<uuid:run_id>/tensorboard/", board.open_run, name="run-board"),
    path("runs/<uuid:run_id>/log/", files.log_tail, name="run-log-tail"),
    path("runs/<uuid:run_id>/logs/<str:name>", files.log, name="run-log"),
    path("runs/<uuid:run_id>/samples/<slug:name>/", runs.samples, name="run-samples"),
    path("runs/<uuid:run_id>/extend/", runs.extend, name="run-extend"),
    path("runs/<uuid:run_id>/delete/", runs.delete, name="run-delete"),
    path("runs/<uuid:run_id>/checkpoints/", checkpoints.table, name="checkpoints"),
    path("runs/<uuid:run_id>/checkpoints/act/", checkpoints.act, name="checkpoints-act"),
    path("runs/<uuid:run_id>/checkpoints/delete/", checkpoints.delete, name="checkpoints-delete"),
    path("runs/<uuid:run_id>/retention/", checkpoints.retention, name="retention"),
    path("runs/<uuid:run_id>/timelapse/<slug:direction>/", timelapses.ask, name="timelapse"),
    path("runs/<uuid:run_id>/timelapse/<slug:direction>/status/", timelapses.status, name="timelapse-status"),
    path("runs/<uuid:run_id>/timelapse/<slug:direction>/file/", timelapses.download, name="timelapse-file"),
    path("checkpoints/compare/", checkpoints.compare, name="checkpoints-compare"),
    path(
        "checkpoints/<uuid:checkpoint_id>/thumbnail/<slug:direction>/",
        checkpoints.thumbnail,
        name="checkpoint-thumbnail",
    ),
    path(
        "evaluations/<uuid:evaluation_id>/<slug:action>/", checkpoints.evaluation_act, name="evaluation-act"
    ),
    path("checkpoints/<uuid:checkpoint_id>/publish/", publications.new, name="publish"),
    path("publications/<uuid:publication_id>/", publications.detail, name="publication"),
    path("publications/<uuid:publication_id>/offer/", publications.offer, name="publication-offer"),
    path("publications/<uuid:publication_id>/cancel/", publications.cancel, name="publication-cancel"),
    path("publications/<uuid:publication_id>/status/", publications.status, name="publication-status"),
    path("publications/<uuid:publication_id>/retry/", publications.retry, name="publication-retry"),
    path("runs/<uuid:run_id>/<slug:action>/", runs.act, name="run-act"),
    path("sweeps/", sweeps.index, name="sweeps"),
    path("sweeps/new/", sweeps.new, name="sweep-new"),
    path("sweeps/costs/", sweeps.costs, name="sweep-costs"),
    path("sweeps/<uuid:sweep_id>/", sweeps.detail, name="sweep"),
    path("sweeps/<uuid:sweep_id>/status/", sweeps.status, name="sweep-status"),
    path("sweeps/<uuid:sweep_id>/extend/", sweeps.extend, name="sweep-extend"),
    path("sweeps/<uuid:sweep_id>/delete/", sweeps.delete, name="sweep-delete"),
    path("sweeps/<uuid:sweep_id>/<slug:action>/", sweeps.act, name="sweep-act"),
    path("tensorboard/", board.board, name="board"),
    path("tensorboard/<path:path>", board.board),
    path("uploads/", uploads.begin, name="uploads"),
    path("uploads/<uuid:upload_id>/", uploads.upload, name="upload"),
    path("uploads/<uuid:upload_id>", uploads.upload),  # FilePond puts the id at the end of an address
]

urlpatterns = [path("", include((patterns, "training")))]
