"""URLs of the whole site. PROVISIONAL: the platform engineer replaces it."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
