"""The form that begins a sweep: what varies, how it is searched, and what all runs share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BoundField

from accounts.models import User
from mapgan.config import TrainConfig, settings
from training_jobs.models import Method, Pruner, Sweep, TrainingRun
from training_jobs.run_forms import GROUPS, RunForm
from training_jobs.search import AXES_LIMIT, POINTS_LIMIT, SIZE_LIMIT, Axis, SpaceError, parse, sweepable
from training_jobs.services.runs import RunRefused
from training_jobs.services.sweeps import CONCURRENCY_LIMIT, Plan, plan_check, sweep_start

SHOWN_ROWS = 3  # of the settings that vary; the others wait behind a word


@dataclass(frozen=True)
class Row:
    """The fields of one setting that varies."""

    number: int
    name: BoundField
    values: BoundField
    log: BoundField
    points: BoundField


class SweepForm(RunForm):
    """A run's form, and what makes many runs of it.

    Args:
        like: a sweep whose search is shown first.
    """

    name = forms.CharField(max_length=100, strip=True)  # its runs add their number
    method = forms.ChoiceField(
        choices=Method.choices,
        initial=Method.GRID,
        label="Settings are chosen by",
    )
    size = forms.IntegerField(
        min_value=1,
        max_value=SIZE_LIMIT,
        initial=12,
        label="Runs",
        help_text="A grid has as many as it has combinations.",
    )
    concurrency = forms.IntegerField(
        min_value=1,
        max_value=CONCURRENCY_LIMIT,
        initial=1,
        label="At once",
        help_text="So many runs wait or train at a time; the others come after them.",
    )
    pruner = forms.ChoiceField(
        choices=Pruner.choices,
        initial=Pruner.NONE,
        label="Runs that are behind",
        help_text="Judged at every checkpoint by the same rule that ranks them. What they have is kept.",
    )
    search_seed = forms.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        initial=0,
        label="Seed of the search",
        help_text="The same seed and the same results choose the same settings.",
    )

    def __init__(
        self,
        data: Any = None,
        *,
        user: User,
        start: TrainConfig,
        cloned_from: TrainingRun | None = None,
        like: Sweep | None = None,
    ) -> None:
        super().__init__(data, user=user, start=start, cloned_from=cloned_from)
        self.plan: Plan | None = None
        for number in range(1, AXES_LIMIT + 1):
            self._add_row(number)
        if like is not None:
            self._show(like)

    def rows(self) -> list[Row]:
        """The settings that may vary, one row each."""
        return [
            Row(number, *(self[f"axis_{number}_{part}"] for part in ("name", "values", "log", "points")))
            for number in range(1, AXES_LIMIT + 1)
        ]

    @property
    def first_rows(self) -> list[Row]:
        """Those that are always shown."""
        return self.rows()[:SHOWN_ROWS]

    @property
    def more_rows(self) -> list[Row]:
        """The others."""
        return self.rows()[SHOWN_ROWS:]

    @property
    def more_rows_used(self) -> bool:
        """Whether one of the others is filled in, so that the page must not hide it."""
        return any(row.name.value() or row.values.errors or row.name.errors for row in self.more_rows)

    @property
    def about(self) -> list[BoundField]:
        """What comes first on its page."""
        return [self["name"], self["dataset_version"]]

    @property
    def prominent(self) -> list[BoundField]:
        """What nearly everybody looks at of the settings that all runs share."""
        return [field for field in super().prominent if field.name not in ("name", "dataset_version")]

    @property
    def search(self) -> list[BoundField]:
        """How it searches."""
        return [self[name] for name in ("method", "size", "concurrency", "pruner", "search_seed")]

    @property
    def problems(self) -> list[str]:
        """What is wrong, told beside the cost, for which names and datasets do not matter."""
        return [
            str(error) if name == "__all__" else f"{self.fields[name].label}: {error}"
            for name, errors in self.errors.items()
            if name not in ("name", "dataset_version")
            for error in errors
        ]

    def clean(self) -> dict[str, Any]:
        """The settings as the library checks them, then the space and the search."""
        cleaned = super().clean()
        axes = list(self._axes(cleaned))
        if self.config is None or any(name in self.errors for name in self._search_fields()):
            return cleaned
        plan = Plan(
            axes=[axis for _, axis in axes],
            method=cleaned["method"],
            pruner=cleaned["pruner"],
            size=cleaned["size"],
            concurrency=cleaned["concurrency"],
            seed=cleaned["search_seed"],
        )
        try:
            plan_check(config=self.config, plan=plan, dataset_version=cleaned.get("dataset_version"))
        except RunRefused as refusal:
            rows = {f"space.{axis.name}": f"axis_{number}_values" for number, axis in axes}
            self._refuse(rows.get(refusal.field, refusal.field), str(refusal))
        else:
            self.plan = plan
        return cleaned

    def save_sweep(self) -> Sweep | None:
        """Begin it; None, with the error in the form, when it cannot be."""
        if not self.is_valid() or self.config is None or self.plan is None:
            return None
        try:
            return sweep_start(
                by=self.user,
                name=self.cleaned_data["name"],
                dataset_version=self.cleaned_data["dataset_version"],
                config=self.config,
                plan=self.plan,
            )
        except RunRefused as refusal:
            self._refuse(refusal.field, str(refusal))
            return None

    def _axes(self, cleaned: dict[str, Any]) -> Iterator[tuple[int, Axis]]:
        """What the rows say, with the numbers of the rows; errors go into the form."""
        for number in range(1, AXES_LIMIT + 1):
            name, text = (cleaned.get(f"axis_{number}_{part}") or "" for part in ("name", "values"))
            if not name:
                if text:
                    self.add_error(f"axis_{number}_name", "Choose the setting that takes these values.")
                continue
            points = cleaned.get(f"axis_{number}_points") or 3
            log = bool(cleaned.get(f"axis_{number}_log"))
            try:
                yield number, parse(name, text, log=log, points=points)
            except SpaceError as error:
                self.add_error(f"axis_{number}_values", str(error))

    def _search_fields(self) -> list[str]:
        rows = [f"axis_{n}_{part}" for n in range(1, AXES_LIMIT + 1) for part in ("name", "values", "points")]
        return ["method", "size", "concurrency", "pruner", "search_seed", *rows]

    def _refuse(self, field: str, message: str) -> None:
        self.add_error(field if field in self.fields else None, message)

    def _add_row(self, number: int) -> None:
        row = f"Setting {number}"
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in sweepable(self.start.model):
            title = GROUPS[settings()[name].group]
            groups.setdefault(title, []).append((name, name.replace("_", " ").capitalize()))
        self.fields[f"axis_{number}_name"] = forms.ChoiceField(
            choices=[("", "None"), *groups.items()], required=False, label=row
        )
        self.fields[f"axis_{number}_values"] = forms.CharField(
            required=False, max_length=1000, label=f"{row}: values"
        )
        self.fields[f"axis_{number}_log"] = forms.BooleanField(required=False, label=f"{row}: by factors")
        self.fields[f"axis_{number}_points"] = forms.IntegerField(
            required=False, min_value=2, max_value=POINTS_LIMIT, initial=3, label=f"{row}: points in a grid"
        )

    def _show(self, like: Sweep) -> None:
        """Begin with the search of another sweep."""
        self.initial.update(
            {name: getattr(like, name) for name in ("method", "size", "concurrency", "pruner")}
        )
        self.initial.update(search_seed=like.seed, name=f"{like.name} again"[:100])
        self.initial["dataset_version"] = like.dataset_version_id
        for number, axis in enumerate((Axis.from_dict(each) for each in like.space), start=1):
            row = {"name": axis.name, "values": axis.text(), "log": axis.log, "points": axis.points}
            self.initial.update({f"axis_{number}_{part}": value for part, value in row.items()})


class SweepExtendForm(forms.Form):
    """Other numbers of runs for a sweep."""

    size = forms.IntegerField(min_value=1, max_value=SIZE_LIMIT, label="Runs in all")
    concurrency = forms.IntegerField(min_value=1, max_value=CONCURRENCY_LIMIT, label="At once")
