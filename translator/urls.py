"""Addresses of the pages. The front page is plain ``home``; the rest is in the namespace ``translator``."""

from __future__ import annotations

from django.urls import include, path

from translator.views import actions, gallery, home, submit, translations

translator_patterns = [
    path("translate/", submit.submit, name="submit"),
    path("gallery/", gallery.gallery, name="gallery"),
    path("generators/", home.generators, name="generators"),
    path(
        "generators/<uuid:generator_id>/samples/<slug:kind>/", home.generator_sample, name="generator-sample"
    ),
    path("generators/<uuid:generator_id>/default/", actions.make_default, name="generator-default"),
    path("translations/", translations.mine, name="mine"),
    path("translations/updates/", translations.updates, name="updates"),
    path("translations/<uuid:translation_id>/", translations.detail, name="detail"),
    path("translations/<uuid:translation_id>/status/", translations.status, name="status"),
    path("translations/<uuid:translation_id>/files/<slug:kind>/", translations.file, name="file"),
    path("translations/<uuid:translation_id>/cancel/", actions.cancel, name="cancel"),
    path("translations/<uuid:translation_id>/retry/", actions.retry, name="retry"),
    path("translations/<uuid:translation_id>/delete/", actions.delete, name="delete"),
    path("translations/<uuid:translation_id>/visibility/", actions.visibility, name="visibility"),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("", include((translator_patterns, "translator"))),
]
