"""Writes on translations and generators."""

from translator.services.generators import (
    CardText,
    GeneratorRejected,
    generator_describe,
    generator_import,
    generator_make_default,
    generator_publish,
    generator_retire,
    generator_set_sample_output,
    generator_set_state,
)
from translator.services.leftovers import leftovers_remove, objects_release
from translator.services.orphans import objects_folders, objects_referenced, orphans_sweep, orphans_watch
from translator.services.translations import (
    translation_cancel,
    translation_delete,
    translation_retry,
    translation_set_visibility,
    translation_submit,
)
from translator.services.uploads import UploadRejected
from translator.storage import ObjectMissing, StorageError, StorageRefused, StorageUnavailable

__all__ = [
    "CardText",
    "GeneratorRejected",
    "ObjectMissing",
    "StorageError",
    "StorageRefused",
    "StorageUnavailable",
    "UploadRejected",
    "generator_describe",
    "generator_import",
    "generator_make_default",
    "generator_publish",
    "generator_retire",
    "generator_set_sample_output",
    "generator_set_state",
    "leftovers_remove",
    "objects_folders",
    "objects_referenced",
    "objects_release",
    "orphans_sweep",
    "orphans_watch",
    "translation_cancel",
    "translation_delete",
    "translation_retry",
    "translation_set_visibility",
    "translation_submit",
]
