"""What the doctor finds at Telegram: token, network, proxy, webhook."""

from __future__ import annotations

import asyncio

import pytest

from bot.clock import SystemClock
from bot.doctor.finding import Verdict
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import Account, Group
from bot.types import Address, Outgoing
from tests.support.doctor_patient import Patient, is_bad
from tests.support.raw_server import Seen, answer, closed_port, head, serve

OTHER_TOKEN = "4200000042:AAanotherAnotherAnotherAnotherAnother"


@pytest.mark.parametrize(("code", "word"), [(401, "Unauthorized"), (404, "Not Found")])
async def test_a_token_that_telegram_does_not_know_is_told(patient: Patient, code: int, word: str) -> None:
    patient.telegram.fail_next("getMe", code=code, description=word)
    assert is_bad(await patient.finding("telegram"), Verdict.FAIL, "does not know", "@BotFather")


async def test_a_foreign_token_is_not_shown(patient: Patient) -> None:
    found = await patient.finding("telegram", bot_token=OTHER_TOKEN)
    assert is_bad(found, Verdict.FAIL, "does not know", "@BotFather")
    assert OTHER_TOKEN.partition(":")[2] not in repr(found)


async def test_telegram_out_of_reach_does_not_keep_the_others_from_being_asked(patient: Patient) -> None:
    found = await patient.findings(telegram_api_url=closed_port())
    by_leg = {finding.leg: finding for finding in found}
    assert is_bad(by_leg["telegram"], Verdict.FAIL, "no connection", "TELEGRAM_PROXY")
    assert by_leg["text"].verdict is Verdict.OK


async def tunnel(_: Seen, writer: asyncio.StreamWriter) -> None:
    """What a proxy says to CONNECT."""
    writer.write(head(200))
    await writer.drain()


async def test_telegram_is_asked_through_its_proxy(patient: Patient) -> None:
    me = {"id": 4200000042, "is_bot": True, "first_name": "Govorun", "username": "behind_the_proxy"}
    async with serve(tunnel, answer(200, {"ok": True, "result": me})) as proxy:
        address = proxy.url.replace("http://", "http://user:hush@")
        found = await patient.findings(telegram_api_url="http://127.0.0.1:9", telegram_proxy=address)
        first, second = proxy.seen[:2]
    assert (first.method, first.path) == ("CONNECT", "127.0.0.1:9")
    assert first.headers["proxy-authorization"].startswith("Basic ")
    assert second.path.endswith("/getMe")
    assert "@behind_the_proxy" in next(finding.text for finding in found if finding.leg == "telegram")
    assert "hush" not in repr(found)


async def test_a_proxy_that_is_down_is_named_without_its_password(patient: Patient) -> None:
    proxy = closed_port().replace("http://", "http://user:hush@")
    found = await patient.finding("telegram", telegram_proxy=proxy)
    assert is_bad(found, Verdict.FAIL, "connection", f"{proxy.partition('@')[2]} (TELEGRAM_PROXY)")
    assert "hush" not in repr(found)


async def test_a_captive_portal_is_not_taken_for_telegram(patient: Patient) -> None:
    async with serve(answer(200, b"<html>log in</html>", "content-type: text/html")) as portal:
        found = await patient.finding("telegram", telegram_api_url=portal.url)
    assert found.verdict is Verdict.FAIL
    assert portal.url.removeprefix("http://") in found.text


async def test_a_webhook_of_another_program_is_told_by_its_host_alone(patient: Patient) -> None:
    await patient.telegram.webhook.set("http://127.0.0.1:9/secret-path/hush", "", 40)
    found = await patient.finding("updates")
    assert is_bad(found, Verdict.WARN, "127.0.0.1:9", "takes the webhook away")
    assert "hush" not in repr(found)


async def test_a_webhook_that_is_set_elsewhere_will_be_moved(patient: Patient) -> None:
    await patient.telegram.webhook.set("http://127.0.0.1:9/there", "", 40)
    found = await patient.finding("updates", webhook_url="https://bot.example/here")
    assert is_bad(found, Verdict.WARN, "not to WEBHOOK_URL", "sets it")


async def test_a_webhook_that_does_not_deliver_is_told_in_telegrams_words(patient: Patient) -> None:
    url = closed_port() + "/here"
    await patient.telegram.webhook.set(url, "", 40)
    patient.telegram.say(1001, "hello")
    await patient.telegram.wait_for(lambda: patient.telegram.webhook.info().get("last_error_message"))
    found = await patient.finding("updates", webhook_url=url, webhook_port=8443)
    said = patient.telegram.webhook.info()["last_error_message"]
    assert is_bad(found, Verdict.WARN, said, "127.0.0.1:8443")
    assert "1 updates wait" in found.text


async def test_many_waiting_updates_are_told(patient: Patient) -> None:
    for number in range(101):
        patient.telegram.say(1001, f"hello {number}")
    assert is_bad(await patient.finding("updates"), Verdict.WARN, "101 updates wait", "when it runs")


async def grouped(patient: Patient, *, messages: int = 0) -> int:
    """Connect a group of operators, to which the bot has sent so many messages of late. Returns the group."""
    group: int = patient.telegram.group("Support", [1001], is_forum=True)["id"]
    async with Store.open(f"sqlite+aiosqlite:///{patient.database}", SystemClock()) as store:

        def work(tx: Tx) -> None:
            tx.put(Group(bot=4200000042, chat=group, team="support", by=1001, at=tx.clock.time()))
            for number in range(messages):
                place = Address("telegram", 4200000042, group, 7)
                tx.outbox.add_answer(f"load.{number}", place, Outgoing("hello", keeps_place=True))
                tx.outbox.record_progress(number + 1, [100 + number], done=1, sent=True)

        await store.write(work)
    return group


@pytest.mark.parametrize(
    ("promoted", "messages", "verdict", "text", "advice"),
    [
        (True, 20, Verdict.OK, "rights are there; 2.0 of 20 messages a minute", ""),
        (True, 120, Verdict.WARN, "needs 12.0 of its 20 messages a minute", "seats"),
        (False, 0, Verdict.FAIL, "lacks administrator", "administrator"),
    ],
)
async def test_the_groups_of_the_support_desk_are_looked_at(
    patient: Patient, promoted: bool, messages: int, verdict: Verdict, text: str, advice: str
) -> None:
    group = await grouped(patient, messages=messages)
    if promoted:
        patient.telegram.promote(group)
    (found,) = [
        one
        for one in await patient.findings(desk=patient.folder)
        if one.leg == "desk" and one.text.startswith("the group")
    ]
    assert (found.verdict, text in found.text, advice in found.advice) == (verdict, True, True), found


async def test_a_webhook_of_the_desk_without_a_secret_is_told(patient: Patient) -> None:
    (patient.folder / "desk.toml").write_text("[hook]\nurl = 'https://crm.example.com/desk'\n")
    found = [one for one in await patient.findings(desk=patient.folder) if one.leg == "desk"]
    assert is_bad(found[-1], Verdict.FAIL, "no event is sent", "DESK_HOOK_SECRET")


@pytest.mark.parametrize("mode", [True, False])
async def test_accounts_need_the_business_mode_of_the_bot(patient: Patient, mode: bool) -> None:
    (patient.folder / "desk.toml").write_text("[business]\n")
    patient.telegram.state.profile.business = mode
    found = [one for one in await patient.findings(desk=patient.folder) if "Business Mode" in one.text]
    assert [is_bad(one, Verdict.WARN, "no account can connect", "@BotFather") for one in found] == [True] * (not mode)


@pytest.mark.parametrize(
    ("may_reply", "verdict", "text"),
    [(True, Verdict.OK, "the bot may answer there"), (False, Verdict.WARN, "may not answer there")],
)
async def test_each_connected_account_is_named(patient: Patient, may_reply: bool, verdict: Verdict, text: str) -> None:
    (patient.folder / "desk.toml").write_text("[business]\n")
    patient.telegram.state.profile.business = True
    async with Store.open(f"sqlite+aiosqlite:///{patient.database}", SystemClock()) as store:
        account = Account(bot=4200000042, id="bc1", user=1001, place=1001, may_reply=may_reply)
        await store.write(lambda tx: tx.put(account))
    (found,) = [one for one in await patient.findings(desk=patient.folder) if "account of the user 1001" in one.text]
    assert (found.verdict, text in found.text) == (verdict, True), found
