"""Static files under names made from their content. Where other files go, `storage` knows."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Hashed names for ever, in the imports between our own JavaScript modules as well.

    Django can rewrite those imports, but then in every script of every app; in some of them a comment
    that shows an import line is enough to stop `collectstatic`.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*.js", CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1]),
    )
