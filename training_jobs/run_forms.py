"""The form that launches a training: every setting of the library, as the library declares it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.forms import BoundField

from accounts.models import User
from mapgan.config import MODELS, ConfigError, Setting, TrainConfig
from mapgan.presets import PRESETS, preset
from training_jobs.models import Dataset, DatasetVersion, TrainingRun
from training_jobs.run_selectors import RUN_ORDERS, RUN_STATES, RunFilters
from training_jobs.selectors import versions_ready
from training_jobs.services.runs import RunRefused, run_start

HIDDEN = ("preset", "model", "a_side")  # chosen before, or said by the dataset
PROMINENT = ("direction", "steps", "checkpoint_every", "seed")
GENERATORS = ("unet_16", "unet_32", "unet_64", "unet_128", "unet_256", "unet_512", "resnet_6", "resnet_9")
GROUPS = {
    "run": "The run",
    "data": "Data",
    "networks": "Networks",
    "losses": "Losses",
    "optimiser": "Optimiser",
    "checkpoints": "Checkpoints and reports",
}
DIRECTIONS = {"map2sat": "Map to satellite", "sat2map": "Satellite to map"}
MODEL_WORDS = {"pix2pix": "Pix2Pix, from pairs", "cyclegan": "CycleGAN, without pairs"}
LARGEST = 2**63 - 1  # of whole numbers, as the library has it
PRESET_WORDS = {
    "draft": "to see where it goes, on a CPU",
    "seed": "as the first MapGAN trained",
    "reference": "as in the papers",
    "quality": "for the best pictures",
}


class StartForm(forms.Form):
    """Where to start from."""

    model = forms.ChoiceField(
        choices=[(name, MODEL_WORDS.get(name, name)) for name in MODELS], initial="pix2pix"
    )
    preset = forms.ChoiceField(
        choices=[(name, f"{name.capitalize()}: {PRESET_WORDS.get(name, '')}") for name in PRESETS],
        initial="draft",
    )

    def config(self) -> TrainConfig:
        """The preset; the first one where the query names none."""
        chosen = self.cleaned_data if self.is_valid() else {}
        model = chosen.get("model") or "pix2pix"
        return preset(chosen.get("preset") or "draft", model=model)


class RunFilterForm(forms.Form):
    """What the list of runs is narrowed to, and how it is ordered."""

    q = forms.CharField(
        required=False,
        max_length=100,
        label="Name contains",
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    state = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *RUN_STATES.items()],
    )
    dataset = forms.ModelChoiceField(required=False, queryset=Dataset.objects.all(), empty_label="All")
    model = forms.ChoiceField(required=False, choices=[("", "Both"), *((name, name) for name in MODELS)])
    sort = forms.ChoiceField(required=False, label="Order", choices=list(RUN_ORDERS.items()))

    def filters(self) -> RunFilters:
        """The valid part of what was asked for: a list is never an error."""
        self.full_clean()
        values = getattr(self, "cleaned_data", {})
        return RunFilters(
            text=values.get("q") or "",
            state=values.get("state") or "",
            dataset=values.get("dataset"),
            model=values.get("model") or "",
            sort=values.get("sort") or "",
        )


class RunForm(forms.Form):
    """A name, a dataset, and every setting the model reads.

    Args:
        start: the configuration whose values are shown first and whose hidden fields are kept.
    """

    name = forms.CharField(max_length=120, strip=True)
    dataset_version = forms.ModelChoiceField(
        queryset=DatasetVersion.objects.none(),
        label="Dataset",
        empty_label=None,
        error_messages={"required": "Choose a dataset.", "invalid_choice": "This dataset is not ready."},
    )

    def __init__(
        self, data: Any = None, *, user: User, start: TrainConfig, cloned_from: TrainingRun | None = None
    ) -> None:
        super().__init__(data)
        self.user, self.start, self.cloned_from = user, start, cloned_from
        self.config: TrainConfig | None = None
        self.fields["dataset_version"].queryset = versions_ready().order_by("-created_at")  # type: ignore[attr-defined]
        self.groups: dict[str, list[str]] = {}
        values = start.to_dict()
        for field in dataclasses.fields(TrainConfig):
            setting: Setting = field.metadata["setting"]
            if field.name in HIDDEN or setting.only not in (None, start.model):
                continue
            self.fields[field.name] = _form_field(field.name, str(field.type), setting, values[field.name])
            self.groups.setdefault(setting.group, []).append(field.name)
        if "validation_share" in self.fields:
            self.fields[
                "validation_share"
            ].help_text += (
                " It has no effect where the dataset says itself what is held out: by val/, test/ or a split."
            )
        if cloned_from is not None:
            kept = cloned_from.dataset_version_id
            self.initial = {"name": f"{cloned_from.name} again", "dataset_version": kept}

    @property
    def has_data(self) -> bool:
        """Whether there is anything to train on."""
        return versions_ready().exists()

    @property
    def prominent(self) -> list[BoundField]:
        """What nearly everybody looks at."""
        return [self[name] for name in ("name", "dataset_version", *PROMINENT)]

    def further(self) -> Iterator[tuple[str, list[BoundField]]]:
        """All the rest, by heading."""
        for group, names in self.groups.items():
            rest = [self[name] for name in names if name not in PROMINENT]
            if rest:
                yield GROUPS[group], rest

    @property
    def further_errors(self) -> bool:
        """Whether one of the rest is wrong, so that the page must not hide it."""
        return any(field.errors for _, fields in self.further() for field in fields)

    @property
    def setting_errors(self) -> list[str]:
        """What is wrong with the settings themselves, for a page that shows them elsewhere."""
        names = [name for names in self.groups.values() for name in names]
        return [str(error) for name in (*names, "__all__") for error in self.errors.get(name, [])]

    def clean(self) -> dict[str, Any]:
        """The library's own validation has the last word."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not any(name in self.errors for names in self.groups.values() for name in names):
            values = {name: cleaned[name] for names in self.groups.values() for name in names}
            if values["decay_steps"] == self.start.decay_steps:  # untouched: it keeps its share of the run
                values["decay_steps"] = self.start.decay_steps * values["steps"] // self.start.steps
            try:
                self.config = TrainConfig.from_dict({**self.start.to_dict(), **values})
            except ConfigError as error:
                # Its messages begin with the setting's name.
                name = str(error).split(maxsplit=1)[0]
                self.add_error(name if name in self.fields else None, str(error))
        return cleaned

    def save(self) -> TrainingRun | None:
        """Queue the run; None, with the error in the form, when it cannot be."""
        if not self.is_valid() or self.config is None:
            return None
        try:
            return run_start(
                by=self.user,
                name=self.cleaned_data["name"],
                dataset_version=self.cleaned_data["dataset_version"],
                config=self.config,
                cloned_from=self.cloned_from,
            )
        except RunRefused as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))
            return None


class ExtendForm(forms.Form):
    """More steps for a run."""

    steps = forms.IntegerField(min_value=1, max_value=100_000_000)


def _form_field(name: str, kind: str, setting: Setting, value: Any) -> forms.Field:
    """The form's counterpart of a declared setting."""
    common: Mapping[str, Any] = {
        "label": name.replace("_", " ").capitalize(),
        "help_text": setting.help,
        "initial": value,
    }
    if kind == "bool":
        return forms.BooleanField(required=False, **common)
    choices = GENERATORS if name == "generator" else setting.choices
    if choices:
        return forms.ChoiceField(choices=[(each, DIRECTIONS.get(each, each)) for each in choices], **common)
    low, high = setting.low, setting.high
    if high is not None and math.isinf(high):
        high = None
    if kind == "int":
        return forms.IntegerField(
            min_value=None if low is None else int(low),
            max_value=LARGEST if high is None else int(high),
            **common,
        )
    widget = forms.NumberInput(attrs={"step": "any"})
    return forms.FloatField(min_value=low, max_value=high, widget=widget, **common)
