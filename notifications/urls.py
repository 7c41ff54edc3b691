"""Addresses of notifications, in the namespace ``notifications``."""

from __future__ import annotations

from django.urls import include, path

from notifications import views

patterns = [
    path("", views.overview, name="overview"),
    path("preferences/", views.preferences, name="preferences"),
    path("endpoints/new/", views.endpoint_new, name="endpoint-new"),
    path("endpoints/<uuid:endpoint_id>/", views.endpoint, name="endpoint"),
    path("endpoints/<uuid:endpoint_id>/secret/", views.endpoint_secret, name="endpoint-secret"),
    path("endpoints/<uuid:endpoint_id>/test/", views.endpoint_test, name="endpoint-test"),
    path("endpoints/<uuid:endpoint_id>/delete/", views.endpoint_delete, name="endpoint-delete"),
    path("deliveries/<uuid:delivery_id>/redeliver/", views.redeliver, name="redeliver"),
]

urlpatterns = [path("", include((patterns, "notifications")))]
