"""Addresses of API v1."""

from __future__ import annotations

from django.urls import path, re_path

from translator.api import generators, translations
from translator.api.base import NotFoundView

app_name = "api"

TRANSLATION = "translations/<uuid:translation_id>/"
GENERATOR = "generators/<uuid:generator_id>/"

urlpatterns = [
    path("translations/", translations.TranslationsView.as_view(), name="translations"),
    path(TRANSLATION, translations.TranslationView.as_view(), name="translation"),
    path(f"{TRANSLATION}cancel/", translations.CancelView.as_view(), name="translation-cancel"),
    path(f"{TRANSLATION}retry/", translations.RetryView.as_view(), name="translation-retry"),
    path(f"{TRANSLATION}<slug:kind>/", translations.TranslationFileView.as_view(), name="translation-file"),
    path("gallery/", translations.GalleryView.as_view(), name="gallery"),
    path("generators/", generators.GeneratorsView.as_view(), name="generators"),
    path(GENERATOR, generators.GeneratorView.as_view(), name="generator"),
    path(f"{GENERATOR}default/", generators.GeneratorDefaultView.as_view(), name="generator-default"),
    path(
        f"{GENERATOR}samples/<slug:kind>/", generators.GeneratorSampleView.as_view(), name="generator-sample"
    ),
    # Last: an address that is not one of these (an id that is no id, too) gets the same problem as any other.
    re_path(r"", NotFoundView.as_view(), name="not-found"),
]
