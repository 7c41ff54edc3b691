"""URLs of the whole site."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from csp.decorators import csp_update
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from mapgan_site.health import healthz, readyz
from mapgan_site.operations.machines import metrics

# The admin's own sign-in form would pass by allauth's rate limits (and later its second factor).
admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.site_header = admin.site.site_title = "MapGAN administration"

# Swagger UI sets style attributes from its script; nothing else on the site may.
_swagger = SpectacularSwaggerSplitView.as_view(url_name="api-schema")
api_docs = csp_update({"style-src": ["'unsafe-inline'"]})(_swagger)

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", api_docs, name="api-docs"),
    path("account/", include("accounts.urls")),
    path("api/v1/", include("training_jobs.api_urls")),
    path("api/v1/", include("translator.api_urls")),  # the last of the API: it answers for what is not there
    path("training/", include("training_jobs.urls")),
    path("notifications/", include("notifications.urls")),
    path("operations/", include("mapgan_site.operations.urls")),
    path("", include("translator.urls")),
]
