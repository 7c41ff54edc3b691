"""Writes on events, deliveries, endpoints and preferences."""

from notifications.services.endpoints import (
    endpoint_create,
    endpoint_delete,
    endpoint_new_secret,
    endpoint_switch_off,
    endpoint_test,
    endpoint_update,
    preference_save,
)
from notifications.services.events import (
    RETRY_SECONDS,
    deliveries_claim,
    delivery_redeliver,
    delivery_settle,
    event_record,
    events_collect,
    events_sweep,
)

__all__ = [
    "RETRY_SECONDS",
    "deliveries_claim",
    "delivery_redeliver",
    "delivery_settle",
    "endpoint_create",
    "endpoint_delete",
    "endpoint_new_secret",
    "endpoint_switch_off",
    "endpoint_test",
    "endpoint_update",
    "event_record",
    "events_collect",
    "events_sweep",
    "preference_save",
]
