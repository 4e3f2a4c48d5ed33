"""What the doctor finds at AI Studio: keys, folders, models, clocks, and what it advises."""

from __future__ import annotations

import re
import sys
import time

import pytest

from bot.config.settings import Settings
from bot.doctor.examination import examine
from bot.doctor.finding import Verdict
from bot.sandbox.ai_studio.server import SANDBOX_FOLDER
from tests.support.doctor_patient import Patient, is_bad
from tests.support.raw_server import closed_port
from tests.support.virtual import VirtualClock


async def test_a_wrong_key_is_told_once_and_not_tried_again(patient: Patient) -> None:
    found = await patient.findings(yc_api_key="AQVNwrong", models=[{"name": "yandexgpt-lite"}])
    texts = [finding for finding in found if finding.leg == "text"]
    assert len(texts) == 1
    assert is_bad(texts[0], Verdict.FAIL, "Unknown api key", "Create API key")
    assert len(patient.studio.seen("completion")) == 1
    assert "AQVNwrong" not in repr(found)


async def test_an_expired_key_is_told(patient: Patient) -> None:
    patient.studio.access.expired = {patient.studio.key}
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
    models = [{"name": "qwen3.6-35b-a3b"}, {"name": "nobody"}, {"name": "two words"}, {"name": "yandexgpt-lite"}]
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
    patient.studio.iam.metadata_tokens = False
    found = await patient.finding("auth", yc_api_key="", yc_metadata=True)
    assert is_bad(found, Verdict.FAIL, "service account", "Link a service account")


async def test_of_several_keys_the_one_that_counts_is_named(patient: Patient) -> None:
    found = await patient.finding("auth", yc_oauth_token="y0_token", yc_metadata=True)
    assert found.text.startswith("YC_API_KEY is sent as it is (YC_OAUTH_TOKEN, YC_METADATA not needed)")


async def test_a_picture_model_is_checked_by_its_name_only(patient: Patient) -> None:
    assert "the first of aliceai-image-art-3.0, yandex-art" in (await patient.finding("image")).text
    assert "no picture was bought" in (await patient.finding("image", image_model="yandex-art")).text
    assert "there is no /image" in (await patient.finding("image", image_model="")).text
    found = await patient.finding("image", image_model="gpt://folder/yandexgpt")
    assert is_bad(found, Verdict.FAIL, "art://", "IMAGE_MODEL=auto")


async def test_the_server_that_embeds_for_the_knowledge_base_is_asked_and_what_is_wrong_with_its_row_is_told(
    patient: Patient,
) -> None:
    studio = patient.studio
    row = {"name": "mine", "url": f"{studio.url}/v1", "key": studio.key, "batch": 1}
    good = {**row, "model": f"emb://{SANDBOX_FOLDER}/text-search-doc/latest"}
    found = await patient.findings(embedding_models=[good], embeddings="mine")
    assert [one.text for one in found if one.leg == "embedding"][1:] == [
        "mine embeds texts (256 numbers) for the knowledge base"
    ]
    bad: list[tuple[dict[str, object], str]] = [
        ({**good, "key": "wrong"}, "mine: 401"),
        ({**good, "key": "$NOWHERE_KEY"}, "NOWHERE_KEY"),
        ({**good, "dimensions": 512}, "mine: 400"),
        ({**good, "url": f"{closed_port()}/v1"}, "mine: "),
    ]
    for spoilt, words in bad:
        finding = await patient.finding("embedding", embedding_models=[spoilt], embeddings="mine")
        assert is_bad(finding, Verdict.FAIL, words, "EMBEDDING_MODELS for 'mine'")


async def test_an_instance_that_does_not_run_is_told_with_who_answers(patient: Patient) -> None:
    patient.studio.access.instances["mine"] = "off"
    row = {"name": "mine", "uri": f"gpt://{SANDBOX_FOLDER}/mine/latest", "stand_in": "yandexgpt-lite"}
    found = [one for one in await patient.findings(models=[row]) if one.leg == "text"][-1]
    assert is_bad(found, Verdict.WARN, "the dedicated instance mine is off", "yandexgpt-lite answers meanwhile")
    patient.studio.access.instances["mine"] = "on"
    assert [one for one in await patient.findings(models=[row]) if one.leg == "text"][-1].verdict is Verdict.OK


# --- what stands behind the conversation ------------------------------------------------------------------------------


async def test_a_helper_that_is_no_model_is_a_failure_though_all_offered_models_answer(patient: Patient) -> None:
    found = await patient.findings(model="yandexgpt", models=[{"name": "yandexgpt"}], helper_model="no-such-model")
    by_leg = {finding.leg: finding for finding in found if finding.leg in ("text", "helper")}
    assert by_leg["text"].verdict is Verdict.OK
    assert is_bad(by_leg["helper"], Verdict.FAIL, "no-such-model", "govorun models list")


async def test_a_model_that_the_folder_does_not_have_is_named_with_the_one_that_follows_it(patient: Patient) -> None:
    found = [one for one in await patient.findings(helper_model="gpt-oss-20b") if one.leg == "models"]
    assert any("has ended on 2026-10-30" in one.text and "qwen3.6-35b-a3b" in one.advice for one in found)
    assert any("gpt-oss-20b is not in the list" in one.text for one in found)
    denied = await patient.finding("helper", helper_model="gpt-oss-20b")
    assert is_bad(denied, Verdict.FAIL, "Access to model", "Your folder does not have this model")


async def test_a_list_of_models_that_can_not_be_read_stops_no_other_check(patient: Patient) -> None:
    patient.studio.fail_next("models", status=500, times=9)
    found = await patient.findings()
    assert [one.verdict for one in found if one.leg == "models"] == [Verdict.WARN]
    assert {one.verdict for one in found if one.leg == "text"} == {Verdict.OK}


async def test_a_key_without_a_scope_and_an_account_without_a_role_are_told_apart(patient: Patient) -> None:
    patient.studio.access.scopes = {"yc.ai.imageGeneration.execute"}
    scope = await patient.finding("text")
    assert is_bad(
        scope, Verdict.FAIL, "lacks the scope", "make an API key with the scope yc.ai.foundationModels.execute"
    )
    patient.studio.access.roles = {"ai.imageGeneration.user"}
    role = await patient.finding("text")
    assert is_bad(role, Verdict.FAIL, "lacks the role", "Give the service account the role ai.languageModels.user")


@pytest.mark.parametrize("way", ["fewshot", "tuned"])
async def test_the_classifier_of_the_topics_is_asked(patient: Patient, way: str) -> None:
    file = patient.folder / "routing.toml"
    topics = "".join(
        f'[topic.{key}]\ntitle = "{key}"\nexamples = ["{key} 1", "{key} 2", "{key} 3"]\n' for key in ("a", "b")
    )
    rules = f'[routing]\nclassifier = "{way}"\ntuned = "cls://{SANDBOX_FOLDER}/yandexgpt-lite/latest@mine"\n'
    file.write_text(rules + topics)
    assert "classifier answers" in [one.text for one in await patient.findings(routing=file) if one.leg == "topics"][-1]
    route = "fewShotTextClassification" if way == "fewshot" else "textClassification"
    patient.studio.fail_next(route, status=403)
    found = [one for one in await patient.findings(routing=file) if one.leg == "topics"][-1]
    assert is_bad(found, Verdict.FAIL, f"the {way} classifier", "ai.languageModels.user")


# --- gRPC -------------------------------------------------------------------------------------------------------------


async def test_grpc_is_called_where_the_settings_name_it(patient: Patient) -> None:
    assert [finding for finding in await patient.findings() if finding.leg == "grpc"] == []
    server = await patient.studio.start_grpc()
    given = {"yc_grpc_address": server.address}
    datasets = await patient.finding("grpc", **given)
    assert datasets.verdict is Verdict.OK
    assert "0 datasets" in datasets.text
    found = [finding for finding in await patient.findings(**given, yc_transport="grpc") if finding.leg == "grpc"]
    assert [finding.verdict for finding in found] == [Verdict.OK] * 2
    assert "2 tokens" in found[0].text
    assert len(server.seen("TextGenerationService.Completion")) > 0


@pytest.mark.parametrize(
    ("transport", "missing", "scope"),
    [
        ("grpc", "ai.languageModels.user", "yc.ai.languageModels.execute"),
        ("rest", "ai.editor", "yc.ai.foundationModels.execute"),
    ],
)
async def test_a_missing_role_is_told_with_the_scope(
    patient: Patient, transport: str, missing: str, scope: str
) -> None:
    server = await patient.studio.start_grpc()
    patient.studio.access.roles.discard(missing)
    found = await patient.finding("grpc", yc_grpc_address=server.address, yc_transport=transport)
    assert is_bad(found, Verdict.FAIL, "403", f"the role {missing}")
    assert f"the scope {scope}" in found.advice


async def test_a_wrong_key_and_a_wrong_address_of_grpc_are_told(patient: Patient) -> None:
    server = await patient.studio.start_grpc()
    wrong = await patient.findings(yc_grpc_address=server.address, yc_transport="grpc", yc_api_key="AQVNwrong")
    assert is_bad(next(one for one in wrong if one.leg == "grpc"), Verdict.FAIL, "Unknown api key", "Create API key")
    assert [one for one in wrong if one.leg == "text"] == []
    nobody = closed_port().removeprefix("http://")
    found = await patient.finding("grpc", yc_grpc_address=nobody, yc_transport="grpc")
    assert is_bad(found, Verdict.FAIL, nobody, "YC_GRPC_ADDRESS")


@pytest.mark.parametrize(("transport", "verdict"), [("grpc", Verdict.FAIL), ("rest", Verdict.WARN)])
async def test_grpc_without_its_extra_is_told(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, transport: str, verdict: Verdict
) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    found = await patient.finding("grpc", yc_grpc_address="127.0.0.1:1", yc_transport=transport)
    assert is_bad(found, verdict, "not installed", "pip install 'govorun[grpc]'")
