"""What reporting does to the disk, in which order."""

from dataclasses import replace
from typing import Any

from camwatch.errors import StateError
from camwatch.publishing.accounts import Accounts
from camwatch.publishing.outbox import Outbox
from tests.publishing.test_accounts import account
from tests.service.test_reporting import NOW, event, setting

__all__ = ["setting"]


def test_an_event_comes_before_its_account_and_waits_without_it(setting, monkeypatch):
    put, order = Outbox.put, []
    monkeypatch.setattr(Outbox, "put", lambda *args, **more: order.append("event") or put(*args, **more))
    monkeypatch.setattr(Accounts, "save", lambda *_: order.append("account"))
    setting.reporting.events([event(number=1)], NOW)
    assert order == ["event", "account"]

    def full(_outbox: object, events: Any, *_args: object, **_more: object) -> None:
        assert all(one.account is None and one.chip is None for one, _ in events), "they may have to wait in memory"
        raise StateError("events.sqlite: the disk is full")

    monkeypatch.setattr(Outbox, "put", full)
    setting.reporting.events([replace(event(number=2), account=account())], NOW)
    assert order == ["event", "account"], "what the disk has no place for"
