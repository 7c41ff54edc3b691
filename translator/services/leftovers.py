"""Objects whose rows are deleted: remembered in the same transaction, then deleted however long that takes.

A row may go with tens of thousands of objects, and the storage may be away just then. So what has to go is
written down where the row was. A few go as soon as the transaction holds; the others, and what the storage
did not delete, are the maintenance worker's.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from django.db import transaction

from translator.models import Leftover
from translator.storage import remove

AT_ONCE = 1_000  # objects that somebody who deletes something waits for; S3 takes so many in one request
BATCH = 1_000


def objects_release(*, keys: Iterable[str]) -> None:
    """Have objects deleted once the transaction holds in which their rows go, and this is called."""
    wanted = [Leftover(key=key) for key in dict.fromkeys(keys)]
    rows = Leftover.objects.bulk_create(wanted, batch_size=BATCH)
    if rows and not Leftover.objects.all()[AT_ONCE:].exists():
        transaction.on_commit(partial(_remove, {row.pk: row.key for row in rows}))


def leftovers_remove() -> int:
    """Delete what is left, until nothing is or the storage takes no more; returns how many objects went."""
    removed = 0
    while rows := dict(Leftover.objects.order_by("pk").values_list("pk", "key")[:BATCH]):
        gone = _remove(rows)
        removed += gone
        if gone < len(rows):
            break
    return removed


def _remove(rows: dict[int, str]) -> int:
    left = set(remove(rows.values()))
    gone = [pk for pk, key in rows.items() if key not in left]
    Leftover.objects.filter(pk__in=gone).delete()
    return len(gone)
