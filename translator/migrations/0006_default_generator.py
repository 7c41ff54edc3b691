"""One generator of a direction is its default; so far it was the first by name."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def first_by_name(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """What people were offered first until now stays it."""
    rows = apps.get_model("translator", "Generator")._default_manager
    seen: set[str] = set()
    published = rows.filter(state="published").order_by("direction", "name")
    for pk, direction in published.values_list("pk", "direction"):
        if direction not in seen:
            rows.filter(pk=pk).update(is_default=True)
        seen.add(direction)


class Migration(migrations.Migration):
    dependencies = [
        ("translator", "0005_leftovers"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="generator",
            options={"ordering": ["direction", "-is_default", "name", "-version"]},
        ),
        migrations.AddField(
            model_name="generator",
            name="is_default",
            field=models.BooleanField(
                default=False,
                editable=False,
                help_text="The one of its direction that is chosen for who chooses none.",
            ),
        ),
        migrations.RunPython(first_by_name, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="generator",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_default", True)),
                fields=("direction",),
                name="translator_generator_one_default",
            ),
        ),
        migrations.AddConstraint(
            model_name="generator",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_default", False), ("state", "published"), _connector="OR"),
                name="translator_generator_default_published",
            ),
        ),
    ]
