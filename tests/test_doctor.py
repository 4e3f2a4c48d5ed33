"""The doctor against the sandbox's servers: what it finds in every leg, and what it advises."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from raw_server import Seen, answer, closed_port, head, serve
from virtual import VirtualClock

from bot.doctor.examination import examine
from bot.doctor.finding import Finding, Verdict
from bot.doctor.machine import check_database, check_prompts, check_proxies, check_settings
from bot.doctor.studio import check_picture, check_studio
from bot.doctor.telegram import check_telegram
from bot.sandbox.studio import SANDBOX_FOLDER, Studio
from bot.sandbox.telegram import Telegram
from bot.settings import Settings

OTHER_TOKEN = "4200000042:AAanotherAnotherAnotherAnotherAnother"
LEGS = [
    "settings",
    "database",
    "proxies",
    "prompts",
    "telegram",
    "updates",
    "network",
    "auth",
    "text",
    "tokenizer",
    "image",
]


class Patient:
    """A bot's surroundings: `settings` are good ones, a test spoils what it likes."""

    def __init__(self, telegram: Telegram, studio: Studio, folder: Path) -> None:
        self.telegram = telegram
        self.studio = studio
        self.folder = folder
        self.database = folder / "govorun.db"
        self.settings: dict[str, Any] = {
            **studio.settings(),
            "bot_token": telegram.token,
            "telegram_api_url": telegram.url,
            "database_url": f"sqlite+aiosqlite:///{self.database}",
            "owners": (1001,),
        }

    async def findings(self, **changes: Any) -> list[Finding]:
        """Everything that the doctor says."""
        return [finding async for finding in self._examined(**changes)]

    async def finding(self, leg: str, **changes: Any) -> Finding:
        """The worst finding of a leg; only the legs of the same kind are looked at."""
        settings = Settings(_env_file=None, **self.settings | changes)
        found = [finding async for finding in self._leg(leg, settings) if finding.leg == leg]
        return max(found, key=lambda finding: list(Verdict).index(finding.verdict))

    def _examined(self, **changes: Any) -> AsyncIterator[Finding]:
        settings = Settings(_env_file=None, **self.settings | changes)
        return examine(settings, clock=VirtualClock(start=time.time()), env_file=self.folder / ".env")

    async def _leg(self, leg: str, settings: Settings) -> AsyncIterator[Finding]:
        if leg == "settings":
            for finding in check_settings(settings, self.folder / ".env"):
                yield finding
        elif leg == "image":
            yield check_picture(settings)
        else:
            clock = VirtualClock(start=time.time())
            checks = {"database": check_database(settings), "telegram": check_telegram(settings)}
            checks |= {"updates": checks["telegram"]}
            async for finding in checks.get(leg) or check_studio(settings, clock):
                yield finding


@pytest.fixture
async def patient(tmp_path: Path, template: Path) -> AsyncIterator[Patient]:
    telegram, studio = Telegram(topics=True), Studio(models_dir=tmp_path)
    await telegram.start()
    await studio.start()
    shutil.copy(template, tmp_path / "govorun.db")
    yield Patient(telegram, studio, tmp_path)
    await studio.close()
    await telegram.close()


def is_bad(finding: Finding, verdict: Verdict, text: str, advice: str) -> bool:
    """Whether it says so. A helper with an assertion in it, so that a failing test shows the whole finding."""
    assert (finding.verdict, text in finding.text, advice in finding.advice) == (verdict, True, True), finding
    return True


# --- the whole --------------------------------------------------------------------------------------------------------


async def test_a_bot_that_lacks_nothing_gets_one_good_line_for_each_leg(patient: Patient) -> None:
    found = await patient.findings()
    assert [finding.leg for finding in found] == LEGS
    assert {(finding.verdict, finding.advice) for finding in found} == {(Verdict.OK, "")}
    said = {finding.leg: finding.text for finding in found}
    assert "@govorun_sandbox_bot" in said["telegram"]
    assert "topics in private chats: on" in said["telegram"]
    assert "yandexgpt answers" in said["text"]


async def test_a_check_costs_a_few_tokens_and_no_picture(patient: Patient) -> None:
    await patient.findings(models=[{"name": "yandexgpt-lite"}, {"name": "yandexgpt"}])
    asked = patient.studio.seen("completion")
    assert [request.body["modelUri"].split("/")[3] for request in asked] == ["yandexgpt", "yandexgpt-lite"]
    assert all(1 <= int(request.body["completionOptions"]["maxTokens"]) <= 5 for request in asked)
    assert len(patient.studio.requests) < 6
    assert patient.studio.bought == 0


async def test_a_check_changes_nothing_at_telegram(patient: Patient) -> None:
    patient.telegram.say(1001, "hello")
    await patient.findings()
    assert {call.method for call in patient.telegram.calls} == {"getMe", "getWebhookInfo"}
    assert patient.telegram.pending == 1


async def test_what_servers_repeat_is_shown_without_secrets(patient: Patient) -> None:
    token, key = patient.telegram.token, "AQVN-secret/key"
    patient.studio.access.keys = {key}
    patient.telegram.fail_next("getWebhookInfo", code=409, description=f"Conflict: {token}\x1b[2J")
    patient.studio.fail_next("completion", status=403, body={"error": f"key {key} AQVN-secret%2Fkey", "message": ""})
    shown = "\n".join(finding.text + finding.advice for finding in await patient.findings(yc_api_key=key))
    assert "***" in shown
    assert not [secret for secret in (token, key, "AQVN-secret%2Fkey", "\x1b") if secret in shown], shown


# --- settings ---------------------------------------------------------------------------------------------------------


async def test_missing_settings_are_named_and_what_needs_them_is_not_tried(patient: Patient) -> None:
    found = await patient.findings(bot_token="", yc_api_key="<key>", yc_folder_id="")
    bad = [finding for finding in found if finding.verdict is Verdict.FAIL and finding.leg == "settings"]
    assert [finding.text for finding in bad] == [
        "BOT_TOKEN is missing", "YC_API_KEY is missing", "YC_FOLDER_ID is missing"
    ]  # fmt: skip
    assert ["@BotFather" in bad[0].advice, "AQVN" in bad[1].advice, "b1g" in bad[2].advice] == [True] * 3
    assert not {"telegram", "network", "auth", "text"} & {finding.leg for finding in found}
    assert not patient.telegram.calls
    assert not patient.studio.requests


async def test_a_token_alone_is_checked_without_a_key(patient: Patient) -> None:
    found = {finding.leg: finding for finding in await patient.findings(yc_api_key="")}
    assert found["telegram"].verdict is Verdict.OK
    assert "text" not in found


async def test_a_closed_bot_without_owners_is_told_how_to_let_somebody_in(patient: Patient) -> None:
    assert is_bad(await patient.finding("settings", owners=()), Verdict.WARN, "answers nobody", "OWNERS=")


@pytest.mark.parametrize(
    ("setting", "value", "verdict", "text"),
    [
        ("yc_api_key", "t1.9euelZ", Verdict.WARN, "an IAM token"),
        ("yc_api_key", "y0_AgAAAA", Verdict.WARN, "an OAuth token"),
        ("yc_api_key", "ajeabcdefghijklmnop", Verdict.WARN, "the id of a key"),
        ("yc_folder_id", "my-folder", Verdict.WARN, "YC_FOLDER_ID"),
        ("yc_service_account_key_file", "nowhere.json", Verdict.FAIL, "YC_SERVICE_ACCOUNT_KEY_FILE"),
    ],
)
async def test_a_value_that_looks_wrong_is_named_but_not_shown(
    patient: Patient, setting: str, value: str, verdict: Verdict, text: str
) -> None:
    found = await patient.finding("settings", **{setting: value})
    assert (found.verdict, text in found.text) == (verdict, True), found
    assert setting == "yc_service_account_key_file" or value not in found.text + found.advice


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o644, True), (0o640, True)])
async def test_an_env_file_that_others_may_read_is_told(patient: Patient, mode: int, warned: bool) -> None:
    file = patient.folder / ".env"
    file.write_text("BOT_TOKEN=4200000042:AAsomething\n# ACCESS=open\n")
    file.chmod(mode)
    found = await patient.finding("settings")
    assert (found.verdict, f"chmod 600 {file}" == found.advice) == (Verdict.WARN if warned else Verdict.OK, warned)


async def test_a_misspelt_name_in_the_env_file_is_told_without_its_value(patient: Patient) -> None:
    file = patient.folder / ".env"
    file.write_text(
        "BOT_TOKN=4200:hush\nexport YC_TOKEN=hush\n#NOT_ONE=hush\nyc_folder_id = hush\nOTEL_SERVICE_NAME=hush\n"
    )
    file.chmod(0o600)
    found = [finding for finding in await patient.findings() if finding.verdict is not Verdict.OK]
    assert [is_bad(finding, Verdict.WARN, "BOT_TOKN in", "BOT_TOKEN") for finding in found] == [True]
    assert "hush" not in repr(found)


# --- database ---------------------------------------------------------------------------------------------------------


async def test_a_database_that_is_not_there_yet_is_good_and_is_not_made_by_the_check(patient: Patient) -> None:
    patient.database.unlink()
    found = await patient.finding("database")
    assert (found.verdict, "will be made" in found.text) == (Verdict.OK, True)
    assert not patient.database.exists()


async def test_a_current_database_is_left_as_it_is(patient: Patient) -> None:
    before = patient.database.read_bytes()
    found = await patient.finding("database")
    assert "is current" in found.text
    assert "MB of disk are free" in found.text
    assert patient.database.read_bytes() == before


def changed(file: Path, *statements: str) -> None:
    connection = sqlite3.connect(file)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


async def test_a_database_of_a_newer_version_that_only_adds_is_fine(patient: Patient) -> None:
    changed(patient.database, "UPDATE alembic_version SET version_num = '9999'")
    finding = await patient.finding("database")
    assert (finding.verdict, "schema 9999 is of a newer version" in finding.text) == (Verdict.OK, True)


async def test_a_database_of_a_newer_version_is_refused(patient: Patient) -> None:
    changed(patient.database, "UPDATE alembic_version SET version_num = '9999', oldest = '9999'")
    assert is_bad(await patient.finding("database"), Verdict.FAIL, "newer version", "Update Govorun")


async def test_a_database_of_another_program_is_refused(patient: Patient) -> None:
    patient.database.unlink()
    changed(patient.database, "CREATE TABLE songs (title)")
    assert is_bad(await patient.finding("database"), Verdict.FAIL, "another program", "DATABASE_URL=")


async def test_an_empty_database_is_filled_at_the_start(patient: Patient) -> None:
    patient.database.write_bytes(b"")
    found = await patient.finding("database")
    assert (found.verdict, "filled at the start" in found.text) == (Verdict.OK, True)


async def test_a_file_that_is_no_database_is_refused(patient: Patient) -> None:
    patient.database.write_bytes(b"not a database at all" * 100)
    assert is_bad(await patient.finding("database"), Verdict.FAIL, "not a database", "DATABASE_URL=")


async def test_a_damaged_database_is_told(patient: Patient) -> None:
    size = patient.database.stat().st_size
    with patient.database.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    assert (await patient.finding("database")).verdict is Verdict.FAIL


async def test_a_database_in_a_folder_that_is_not_there_is_told(patient: Patient) -> None:
    url = f"sqlite+aiosqlite:///{patient.folder}/nowhere/govorun.db"
    found = await patient.finding("database", database_url=url)
    assert is_bad(found, Verdict.FAIL, "folder does not exist", "own the file")


async def test_a_database_that_somebody_holds_is_told(patient: Patient) -> None:
    holder = sqlite3.connect(patient.database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        found = await patient.finding("database")
    finally:
        holder.close()
    assert is_bad(found, Verdict.FAIL, "locked", "")


# --- Telegram ---------------------------------------------------------------------------------------------------------


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


# --- AI Studio --------------------------------------------------------------------------------------------------------


async def test_a_wrong_key_is_told_once_and_not_tried_again(patient: Patient) -> None:
    found = await patient.findings(yc_api_key="AQVNwrong", models=[{"name": "yandexgpt-lite"}])
    texts = [finding for finding in found if finding.leg == "text"]
    assert len(texts) == 1
    assert is_bad(texts[0], Verdict.FAIL, "Unknown api key", "Create API key")
    assert len(patient.studio.seen("completion")) == 1
    assert "AQVNwrong" not in repr(found)


async def test_an_expired_key_is_told(patient: Patient) -> None:
    patient.studio.access.expired = {"sandbox-key"}
    assert is_bad(await patient.finding("text"), Verdict.FAIL, "expired", "Create API key")


async def test_a_wrong_folder_is_told_together_with_the_right_one(patient: Patient) -> None:
    found = await patient.finding("text", yc_folder_id="b1gwrongwrongwrongwr")
    assert is_bad(found, Verdict.FAIL, "does not match", f"YC_FOLDER_ID={SANDBOX_FOLDER}")


async def test_a_model_of_another_folder_is_told(patient: Patient) -> None:
    found = await patient.finding("text", model="gpt://b1gwrongwrongwrongwr/yandexgpt/latest")
    assert is_bad(found, Verdict.FAIL, "does not match", "the name of the model alone")


async def test_a_missing_role_is_told(patient: Patient) -> None:
    patient.studio.access.roles = {"ai.imageGeneration.user"}
    assert is_bad(await patient.finding("text"), Verdict.FAIL, "403", "ai.languageModels.user")


async def test_an_account_without_money_is_told(patient: Patient) -> None:
    body = {"error": "The cloud is blocked: billing account is not active", "code": 7, "message": ""}
    patient.studio.fail_next("completion", status=403, body=body)
    assert is_bad(await patient.finding("text"), Verdict.FAIL, "billing", "Billing")


async def test_each_model_is_told_by_its_name(patient: Patient) -> None:
    models = [{"name": "gpt-oss-20b"}, {"name": "nobody"}, {"name": "two words"}, {"name": "yandexgpt-lite"}]
    found = [finding for finding in await patient.findings(models=models) if finding.leg == "text"]
    assert [finding.verdict for finding in found] == [*[Verdict.OK] * 2, *[Verdict.FAIL] * 2, Verdict.OK]
    assert is_bad(found[2], Verdict.FAIL, "nobody: ", "models list")
    assert is_bad(found[3], Verdict.FAIL, "two words: ", "models list")


@pytest.mark.parametrize(("status", "advice"), [(429, "quota"), (503, "try again")])
async def test_trouble_that_lasts_is_told_as_what_passes(patient: Patient, status: int, advice: str) -> None:
    patient.studio.fail_next("completion", status=status, times=3)
    assert is_bad(await patient.finding("text"), Verdict.FAIL, str(status), advice)


async def test_trouble_that_passes_is_not_told(patient: Patient) -> None:
    patient.studio.fail_next("completion", status=503)
    assert (await patient.finding("text")).verdict is Verdict.OK


async def test_a_tokenizer_that_fails_is_only_a_warning(patient: Patient) -> None:
    patient.studio.fail_next("tokenize", status=500)
    assert (await patient.finding("tokenizer")).verdict is Verdict.WARN


async def test_a_service_out_of_reach_is_told_once(patient: Patient) -> None:
    found = [finding for finding in await patient.findings(yc_llm_url=closed_port()) if finding.verdict is Verdict.FAIL]
    assert len(found) == 1
    assert is_bad(found[0], Verdict.FAIL, "no connection", "HTTPS_PROXY")


@pytest.mark.parametrize(("offset", "word"), [(3600, "behind"), (-3600, "ahead")])
async def test_a_clock_that_is_wrong_is_told(patient: Patient, offset: int, word: str) -> None:
    settings = Settings(_env_file=None, **patient.settings)
    clock = VirtualClock(start=time.time() - offset)
    found = {finding.leg: finding async for finding in examine(settings, clock=clock, env_file=patient.folder / ".env")}
    assert is_bad(found["network"], Verdict.WARN, word, "NTP")
    assert re.search(r"(3599|360[01]) s", found["network"].text)


async def test_an_oauth_token_is_exchanged(patient: Patient) -> None:
    found = await patient.findings(yc_api_key="", yc_oauth_token="y0_token")
    assert {finding.verdict for finding in found} == {Verdict.OK}
    assert "YC_OAUTH_TOKEN gave an IAM token" in repr(found)


async def test_an_oauth_token_that_is_refused_ends_the_check_of_the_models(patient: Patient) -> None:
    found = await patient.findings(yc_api_key="", yc_oauth_token="wrong-token")
    assert is_bad(found[-2], Verdict.FAIL, "YC_OAUTH_TOKEN", "expired")
    assert not patient.studio.seen("completion")
    assert "wrong-token" not in repr(found)


async def test_an_iam_service_out_of_reach_is_no_fault_of_the_token(patient: Patient) -> None:
    found = await patient.finding("auth", yc_api_key="", yc_oauth_token="y0_token", yc_iam_url=closed_port())
    assert is_bad(found, Verdict.FAIL, "no connection", "network")


async def test_a_key_file_of_another_kind_is_told(patient: Patient) -> None:
    file = patient.folder / "key.json"
    file.write_text('{"id": "ajekey"}')
    found = await patient.finding("auth", yc_api_key="", yc_service_account_key_file=file)
    assert is_bad(found, Verdict.FAIL, "service_account_id", "yc iam key create")


async def test_a_machine_without_a_service_account_is_told(patient: Patient) -> None:
    patient.studio.small.metadata_tokens = False
    found = await patient.finding("auth", yc_api_key="", yc_metadata=True)
    assert is_bad(found, Verdict.FAIL, "service account", "Link a service account")


async def test_of_several_keys_the_one_that_counts_is_named(patient: Patient) -> None:
    found = await patient.finding("auth", yc_oauth_token="y0_token", yc_metadata=True)
    assert found.text.startswith("YC_API_KEY is sent as it is (YC_OAUTH_TOKEN, YC_METADATA not needed)")


async def test_a_picture_model_is_checked_by_its_name_only(patient: Patient) -> None:
    assert "no picture was bought" in (await patient.finding("image")).text
    assert "there is no /image" in (await patient.finding("image", image_model="")).text
    found = await patient.finding("image", image_model="gpt://folder/yandexgpt")
    assert is_bad(found, Verdict.FAIL, "art://", "IMAGE_MODEL=yandex-art")


# --- proxies ----------------------------------------------------------------------------------------------------------


def test_proxies_are_shown_without_their_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:hush@proxy.example:3128")
    settings = Settings(_env_file=None, telegram_proxy="socks5://user:hush@other.example:1080")
    (found,) = check_proxies(settings)
    assert found.verdict is Verdict.OK
    assert "to Telegram through other.example:1080; to AI Studio through proxy.example:3128" in found.text
    assert "hush" not in repr(found)


def test_a_host_that_needs_no_proxy_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "cloud.yandex.net")
    (found,) = check_proxies(Settings(_env_file=None))
    assert "to AI Studio directly" in found.text


# --- personas and templates -------------------------------------------------------------------------------------------


def test_personas_that_come_with_it_are_in_order(tmp_path: Path) -> None:
    (found,) = check_prompts(Settings(_env_file=None, prompts_dir=tmp_path / "none"))
    assert found.verdict is Verdict.OK
    assert found.text.startswith("6 personas, 5 templates")


def test_a_broken_persona_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "personas").mkdir()
    (tmp_path / "personas" / "pirate.toml").write_text('title = "Pirate"\ntemperature = 7\n')
    (tmp_path / "personas" / "seer.toml").write_text('title = "Seer"\nmodel = "nowhere"\n')
    broken, model = check_prompts(Settings(_env_file=None, prompts_dir=tmp_path))
    assert broken.verdict is Verdict.FAIL
    assert "pirate.toml, line 2: temperature" in broken.text
    assert model.verdict is Verdict.WARN
    assert "'nowhere', which is not offered" in model.text
