"""Staff look after people in the administration; nobody else sees it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import ApiToken, User
from accounts.services import api_token_create


def test_staff_find_people_and_lock_one_out(carol_client: Client, alice: User) -> None:
    people = carol_client.get(reverse("admin:accounts_user_changelist"), {"q": "alice"})
    assert people.status_code == 200
    assert "alice@example.org" in people.content.decode()
    page = carol_client.get(reverse("admin:accounts_user_change", args=[alice.pk]))
    form = page.context["adminform"].form
    fields = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    sent = {name: value for name, value in fields.items() if value not in (None, False, [])}
    for moment in ("date_joined", "last_login"):
        value = sent.pop(moment, None)
        sent |= {f"{moment}_0": f"{value:%Y-%m-%d}", f"{moment}_1": f"{value:%H:%M:%S}"} if value else {}
    sent.pop("is_active")
    answer = carol_client.post(reverse("admin:accounts_user_change", args=[alice.pk]), sent)
    assert answer.status_code == 302, answer.context["errors"]
    alice.refresh_from_db()
    assert not alice.is_active


def test_nobody_is_deleted_there(carol_client: Client, alice: User) -> None:
    assert carol_client.post(reverse("admin:accounts_user_delete", args=[alice.pk])).status_code == 403
    assert User.objects.filter(pk=alice.pk).exists()


def test_staff_revoke_a_token_without_seeing_it(carol_client: Client, alice: User) -> None:
    row, token = api_token_create(user=alice, name="laptop")
    page = carol_client.get(reverse("admin:accounts_apitoken_change", args=[row.pk])).content.decode()
    assert "laptop" in page
    assert token not in page
    assert row.token_hash not in page
    gone = carol_client.post(reverse("admin:accounts_apitoken_delete", args=[row.pk]), {"post": "yes"})
    assert gone.status_code == 302
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("who", ["alice_client", "bob_client", "anonymous_client"])
def test_others_do_not_get_in(who: str, request: pytest.FixtureRequest) -> None:
    client: Client = request.getfixturevalue(who)
    answer = client.get(reverse("admin:accounts_user_changelist"))
    assert answer.status_code in (302, 403)
    assert "example.org" not in answer.content.decode()
