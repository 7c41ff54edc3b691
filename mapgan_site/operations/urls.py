"""Addresses of operations, in the namespace ``operations``."""

from __future__ import annotations

from django.urls import include, path

from mapgan_site.operations import views

patterns = [
    path("workers/", views.workers, name="workers"),
    path("workers/status/", views.workers_status, name="workers-status"),
    path("queues/<slug:queue>/pause/", views.pause, name="queue-pause"),
    path("queues/<slug:queue>/resume/", views.resume, name="queue-resume"),
]

urlpatterns = [path("", include((patterns, "operations")))]
