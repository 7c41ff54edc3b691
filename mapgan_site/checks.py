"""System checks that name a missing broker, storage or generator.

None of them runs when `migrate` or `runserver` starts on a fresh clone: broker and storage are looked at by
``manage.py check --deploy`` (alone: ``--tag services --deploy``), generators by ``--database default``.
They are warnings, so that a service that is away for a moment does not keep a site from starting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError

from mapgan_site import diagnosis


@register("services", deploy=True)
def check_broker(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The queue's server answers and keeps what it is given."""
    hint = "Set REDIS_URL (or REDIS_URL_FILE), or start the bundled server with `make run`."
    return [Warning(problem, hint=hint, id="mapgan.W001") for problem in diagnosis.broker_problems()]


@register("services", deploy=True)
def check_storage(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Files can be written, read and given away; it is tried out."""
    hint = "Look at MAPGAN_STORAGE and the MAPGAN_S3_ variables, or at the rights of MAPGAN_VAR_DIR."
    return [Warning(problem, hint=hint, id="mapgan.W002") for problem in diagnosis.storage_problems()]


@register(Tags.database)
def check_generators(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """There is something to translate with."""
    generator = apps.get_model("translator", "Generator")
    for alias in databases or []:
        try:
            if generator._default_manager.using(alias).filter(state="published").exists():
                continue
        except DatabaseError:
            continue  # migrate has yet to make the table
        hint = "Run `manage.py load_bundled`, or publish a generator in the administration."
        return [Warning("No generator is published: nothing can be translated.", hint=hint, id="mapgan.W003")]
    return []
