"""Of one name at most one version is published."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def keep_the_newest(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Two that were published at the same moment may both be; then the older one retires."""
    rows = apps.get_model("translator", "Generator")._default_manager
    seen: set[str] = set()
    for pk, name in rows.filter(state="published").order_by("-version").values_list("pk", "name"):
        if name in seen:
            rows.filter(pk=pk).update(state="retired")
        seen.add(name)


class Migration(migrations.Migration):
    dependencies = [
        ("translator", "0002_idempotency_digest"),
    ]

    operations = [
        migrations.RunPython(keep_the_newest, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="generator",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "published")),
                fields=("name",),
                name="translator_generator_published_once",
            ),
        ),
    ]
