"""Writes on generators: a file comes in, is put on trial or published, and retires when a newer one comes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from celery import current_app
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet
from kombu.exceptions import OperationalError

from accounts.models import User
from mapgan.card import CardError, read_card
from mapgan.imageio import ImageError, decode, encode_png
from translator.models import Generator, GeneratorState
from translator.storage import Stash, generator_key

logger = logging.getLogger(__name__)

SAMPLE_TASK = "translator.draw_sample"
SAMPLE_QUEUE = "translate"
ATTEMPTS = (
    20  # at a version number that others take at the same time; each clash means one of them is through
)


@dataclass(frozen=True)
class _Samples:
    """A sample pair as PNG; empty where there is none."""

    input: bytes
    output: bytes


class GeneratorRejected(Exception):  # noqa: N818 - it names an outcome
    """The file is no generator, or its sample no picture; the message is fit for users."""


@dataclass(frozen=True, kw_only=True)
class CardText:
    """What people say of a generator, whatever the card inside its file says."""

    title: str
    description: str = ""
    limits: str = ""
    attribution: str = ""


def generator_import(
    *,
    source: Path | bytes,
    publish: bool = False,
    publish_known: bool = True,
    description: str = "",
    limits: str = "",
    sample_input: Path | bytes | None = None,
    sample_output: Path | bytes | None = None,
) -> Generator:
    """Bring in a generator file as the next version of its card's name. The same file again is the same row.

    A new one is published in the transaction that makes it, so that nothing leaves it half way, on trial.
    With ``publish_known=False`` one that is here already stays as staff left it, on trial, too.
    ``description`` and ``limits`` are the card's where they are not given.

    Only the card is read here; no network is loaded. Without ``sample_output`` a translate worker draws it
    from ``sample_input``.

    Raises:
        GeneratorRejected: not a generator file with a valid card, a name that another direction has, or a
            sample that is no picture.
        StorageError: the storage cannot take it.
    """
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        card = read_card(content)
    except (CardError, OSError) as error:
        raise GeneratorRejected(str(error)) from error
    digest = hashlib.sha256(content).hexdigest()
    generator = Generator.objects.filter(sha256=digest).first()
    if generator is None:
        _check_name(card.name, card.direction)
        samples = _Samples(_sample_png(sample_input), _sample_png(sample_output))
        row = Generator(
            name=card.name,
            title=card.title,
            description=description or card.description,
            limits=limits or card.limits,
            direction=card.direction,
            card=asdict(card),
            sha256=digest,
            size_bytes=len(content),
        )
        generator = _store_and_insert(row, content, samples, publish=publish)
    if publish and publish_known and generator.state == GeneratorState.TRIAL:
        generator_publish(generator=generator)
    return generator


def _check_name(name: str, direction: str) -> None:
    if Generator.objects.filter(name=name).exclude(direction=direction).exists():
        raise GeneratorRejected(f"{name} is the name of a generator of the other direction.")


def _sample_png(source: Path | bytes | None) -> bytes:
    """The picture in our own encoding; empty when there is none."""
    if source is None:
        return b""
    try:
        return encode_png(decode(source if isinstance(source, bytes) else source.read_bytes()).rgb)
    except (ImageError, OSError) as error:
        raise GeneratorRejected(f"The sample cannot be used. {error}") from error


def _store_and_insert(row: Generator, content: bytes, samples: _Samples, *, publish: bool) -> Generator:
    with Stash() as stash:
        row.file = stash.save(generator_key(row.pk, "generator", "onnx"), content)
        if samples.input:
            row.sample_input = stash.save(generator_key(row.pk, "sample-input", "png"), samples.input)
        if samples.output:
            row.sample_output = stash.save(generator_key(row.pk, "sample-output", "png"), samples.output)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _insert(row, stash, publish=publish)
            except IntegrityError:
                theirs = Generator.objects.filter(sha256=row.sha256).first()
                if theirs is not None:  # the same file, imported at the same time
                    stash.discard()
                    return theirs
                if attempt == ATTEMPTS:
                    raise
            else:
                break
    return row


def _insert(row: Generator, stash: Stash, *, publish: bool) -> None:
    """As the next version of its name.

    Raises:
        IntegrityError: somebody else was quicker with this version, or with the same file, or published the
            first of this direction.
        GeneratorRejected: somebody else was quicker with this name, for the other direction.
    """
    with transaction.atomic():
        _check_name(row.name, row.direction)
        newest = Generator.objects.filter(name=row.name).aggregate(Max("version"))["version__max"]
        row.version = (newest or 0) + 1
        row.state, row.is_default = GeneratorState.TRIAL, False  # whatever an earlier attempt came to
        row.save(force_insert=True)
        transaction.on_commit(stash.keep)
        if row.sample_input and not row.sample_output:
            transaction.on_commit(partial(_ask_for_sample, row))
        if publish:
            generator_publish(generator=row)


def _ask_for_sample(generator: Generator) -> None:
    """A hint, as with jobs: when it is lost, the next worker that starts draws what is missing."""
    try:
        current_app.send_task(
            SAMPLE_TASK, args=[str(generator.pk)], queue=SAMPLE_QUEUE, ignore_result=True, retry=False
        )
    except (OperationalError, OSError) as error:
        # Not a warning: at the first start of all the broker is not there yet, and nothing is lost.
        logger.debug("The broker did not take the sample of %s (%s).", generator, error)


def generator_publish(*, generator: Generator) -> None:
    """Offer it to everybody. The published versions of its name retire but finish what they were asked.

    It is its direction's default if a version of its name was, or if there is none yet.
    """
    with _alone(generator.direction) as of_direction:
        others = of_direction.filter(name=generator.name, state=GeneratorState.PUBLISHED)
        others.exclude(pk=generator.pk).update(state=GeneratorState.RETIRED, is_default=False)
        _set_state(generator, GeneratorState.PUBLISHED)
        if not of_direction.filter(is_default=True).exists():
            of_direction.filter(pk=generator.pk).update(is_default=True)
        generator.refresh_from_db(fields=["is_default"])


def generator_make_default(*, generator: Generator, by: User) -> None:
    """Choose it, in its direction, for everybody who chooses none. The administration's log says who did.

    Raises:
        GeneratorRejected: it is not published.
    """
    with _alone(generator.direction) as of_direction:
        if not of_direction.filter(pk=generator.pk, state=GeneratorState.PUBLISHED).exists():
            raise GeneratorRejected(f"{generator} is not published, so it cannot be the default.")
        others = of_direction.filter(is_default=True).exclude(pk=generator.pk)
        others.update(is_default=False)
        if of_direction.filter(pk=generator.pk, is_default=False).update(is_default=True):
            message = f"Made the default for {generator.get_direction_display().lower()}."
            LogEntry.objects.log_actions(
                by.pk, [generator], CHANGE, change_message=message, single_object=True
            )
    generator.is_default = True


def generator_set_state(*, generator: Generator, state: GeneratorState) -> None:
    """Offer it to staff on trial, to everybody, or to nobody any more.

    Any version can go to any state: publishing an earlier one again rolls back to it. Where the default goes,
    the next in the list takes its place.
    """
    if state == GeneratorState.PUBLISHED:
        generator_publish(generator=generator)
        return
    with _alone(generator.direction) as of_direction:
        was_default = of_direction.filter(pk=generator.pk, is_default=True).update(is_default=False)
        _set_state(generator, state)
        following = of_direction.filter(state=GeneratorState.PUBLISHED).first() if was_default else None
        if following:
            of_direction.filter(pk=following.pk).update(is_default=True)
    generator.is_default = False


def generator_retire(*, generator: Generator) -> None:
    """Offer it to nobody. Its file stays: for what is queued, for retries, as the record of its results."""
    generator_set_state(generator=generator, state=GeneratorState.RETIRED)


@contextmanager
def _alone(direction: str) -> Iterator[QuerySet[Generator]]:
    """A transaction that nobody else changes this direction's generators beside.

    Whoever waits here retires what the one before published, and finds its default.
    """
    with transaction.atomic():
        rows = Generator.objects.filter(direction=direction)
        list(rows.select_for_update().order_by("pk").values_list("pk"))
        yield rows


def _set_state(generator: Generator, state: GeneratorState) -> None:
    Generator.objects.filter(pk=generator.pk).update(state=state)
    generator.state = state


def generator_describe(*, generator: Generator, text: CardText) -> None:
    """Change what is said of it, at any time; its file stays as it is."""
    Generator.objects.filter(pk=generator.pk).update(**vars(text))
    generator.refresh_from_db()


def generator_set_sample_output(*, generator: Generator, png: bytes) -> None:
    """Keep the picture that the generator made of its sample; the first one that arrives stays."""
    with Stash() as stash:
        key = stash.save(generator_key(generator.pk, "sample-output", "png"), png)
        written = Generator.objects.filter(pk=generator.pk, sample_output="").update(sample_output=key)
        if written:
            stash.keep()
            generator.sample_output = key
        else:
            stash.discard()
