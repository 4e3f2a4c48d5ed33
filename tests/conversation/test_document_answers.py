"""Answers about documents of a conversation: what stands there gets a number and a quote, and nothing is left out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.ai import Source
from bot.knowledge.answer.documents import noted
from bot.knowledge.documents import Retrieved, rests_on
from bot.prompts.catalog import instruct
from bot.sandbox.ai_studio.server import Answer
from bot.storage.repositories.files.documents import Passage
from bot.texts.catalog import say
from tests.conversation.test_knowledge_answers import docs, known, looks
from tests.support.choosing import pressed
from tests.support.scripted_model import LaterModel, ScriptedModel
from tests.support.stage import ANNA, BORIS, Stage
from tests.support.telegram_side import rows

__all__ = ["docs"]

LEASE = {
    "en": "Preface.\fThe rent is 900 euros a month. It is due on the third day.\fThe garden belongs to both tenants.",
    "ru": "Вступление.\fАрендная плата составляет 900 евро в месяц. Она вносится третьего числа.\fСад общий для всех.",
}
RENT = {"en": "The rent is 900 euros a month", "ru": "Арендная плата составляет 900 евро в месяц"}
SHOW = {language: say(language, "kb.source") for language in LEASE}
WHO = {"en": ANNA, "ru": BORIS}


async def asked(
    stage: Stage, model: ScriptedModel, chat: int, text: str, caption: str = "?", **settings: object
) -> str:
    """What is answered to a question that is sent with a document."""
    if stage.app is None:
        stage.given |= {"routing": model.routing}
        await stage.start(**settings)
    before = len(stage.telegram.texts(chat))
    stage.telegram.upload(chat, text.encode(), "document", name="lease.txt", caption=caption)
    return (await stage.texts(before + 1, chat))[-1]


@pytest.mark.parametrize(("language", "base"), [("en", "cited"), ("ru", "off")])
async def test_a_press_shows_the_page_with_the_quoted_sentence_in_bold(stage: Stage, language: str, base: str) -> None:
    rent, chat = RENT[language], WHO[language]
    answer = await asked(stage, ScriptedModel(f"{rent} [lease.txt, p. 2]."), chat, LEASE[language], knowledge=base)
    page = say(language, "document.page", name="lease.txt", page=2)
    assert answer == f"{rent}.¹\n\n¹ {rent}.\n\n{say(language, 'sources')}:\n¹ {page}"
    assert f"¹ {rent}." in looks(stage, chat)["expandable_blockquote"]
    shown = await pressed(stage, SHOW[language], chat=chat)
    first, last = LEASE[language].split("\f")[0::2]
    assert shown.split("\n\n") == [page, f"…{first}", LEASE[language].split("\f")[1], f"{last}…"]
    assert looks(stage, chat)["bold"] == f"{page}{rent}."


async def test_two_pages_have_a_button_each_and_a_deleted_document_none(stage: Stage) -> None:
    model = ScriptedModel("The garden belongs to both tenants. The rent is 900 euros a month.")
    answer = await asked(stage, model, ANNA, LEASE["en"])
    assert answer.startswith("The garden belongs to both tenants.¹ The rent is 900 euros a month.²\n")
    assert "lease.txt, p. 3" in await pressed(stage, SHOW["en"])
    assert "The rent is 900 euros a month." in await pressed(stage, "2")
    assert stage.app is not None
    await stage.app.store.write(lambda tx: tx.documents.delete_document(1, 1))
    assert await pressed(stage, SHOW["en"]) == say("en", "kb.source.closed")


KEPT = """# Summary

- A flat with a shared yard is let.
- Payment is **cash**:

```python
print("The rent is 900 euros a month.")
```

Die Miete beträgt 900 Euro. The rent is 800 euros a month [lease.txt, p. 2]."""


async def test_what_does_not_stand_in_the_document_is_sent_as_the_model_wrote_it(stage: Stage) -> None:
    """A summary, a translation and code rest on a document without standing in it."""
    await asked(stage, ScriptedModel(KEPT), ANNA, LEASE["en"])
    assert rows(stage, "SELECT parts FROM messages WHERE role = 'assistant'")[0][0].count("¹") == 0
    assert "The rent is 800 euros a month [lease.txt, p. 2]." in stage.telegram.texts(ANNA)[-1]


async def test_the_rest_of_an_answer_that_broke_off_is_numbered_with_its_beginning(stage: Stage) -> None:
    await stage.start()
    begun = "The garden belongs to both tenants. The rent is 90"
    stage.studio.script(Answer([begun], status="TRUNCATED_FINAL"), "0 euros a month.")
    first = await asked(stage, ScriptedModel(), ANNA, LEASE["en"])
    assert first.startswith("The garden belongs to both tenants.¹ The rent is 90\n")
    whole = await pressed(stage, say("en", "resume"))
    assert whole.startswith("The garden belongs to both tenants.¹ The rent is 900 euros a month.²\n")
    assert "¹ The garden belongs to both tenants.\n" in whole
    await pressed(stage, SHOW["en"])
    assert "It is due on the third day." in (await pressed(stage, "2")).split("\n\n")[2]


async def test_an_answer_of_later_has_its_quotes_and_their_button(stage: Stage) -> None:
    later = LaterModel("The rent is 900 euros a month [lease.txt, p. 2].")
    stage.given["later"] = lambda _name: later
    await asked(stage, ScriptedModel("ok"), ANNA, LEASE["en"])
    await stage.ask("/later How much is the rent?")
    answer = await stage.until(lambda: "".join(stage.telegram.texts(ANNA)[2:]))
    assert answer.startswith("The rent is 900 euros a month.¹\n\n¹ The rent is 900 euros a month.\n")
    assert "It is due on the third day." in await pressed(stage, SHOW["en"])


# --- beside a knowledge base ------------------------------------------------------------------------------------------


async def test_what_only_the_document_knows_is_answered_from_it(stage: Stage, docs: Path) -> None:
    """The sources have nothing about it, but that is no reason to refuse."""
    model = await known(stage, docs, "Прочитано.", "Арендная плата составляет 900 евро в месяц.")
    await asked(stage, model, BORIS, LEASE["ru"], "Сколько дней на возврат товара?")
    assert instruct("ru", "documents.tail") in model.requests[0].messages[-1].text
    assert "<sources>" not in model.requests[0].messages[-1].text  # what comes with a document is about it
    answer = await stage.ask("Какова арендная плата в месяц?", BORIS)
    assert answer.startswith("Арендная плата составляет 900 евро в месяц.¹")
    assert rows(stage, "SELECT * FROM kb_quotes") == []


@pytest.mark.parametrize("late", [False, True])
async def test_a_document_and_the_sources_are_quoted_in_one_answer(stage: Stage, docs: Path, late: bool) -> None:
    said = "Вернуть товар можно в течение 14 дней [a1]. Арендная плата составляет 900 евро в месяц [c1]. Луна из сыра."
    later = LaterModel(said)
    model = await known(stage, docs, "Прочитано.", said, said, later=later)
    await asked(stage, model, BORIS, LEASE["ru"])
    question = "За сколько дней можно вернуть товар?"
    if late:
        await stage.ask(f"/later {question}", BORIS)
        answer = await stage.until(lambda: "".join(stage.telegram.texts(BORIS)[2:]))
        prompt = later.submitted[0].messages[-1].text
    else:
        answer, prompt = await stage.ask(question, BORIS), model.requests[1].messages[-1].text
    assert answer.startswith("Вернуть товар можно в течение 14 дней.¹ Арендная плата составляет 900 евро в месяц.²\n")
    assert "сыра" not in answer
    assert prompt.count("Арендная плата") == 1
    assert len(rows(stage, "SELECT * FROM kb_quotes")) == 1
    assert "Деньги приходят" in await pressed(stage, SHOW["ru"], chat=BORIS)
    assert "Она вносится третьего числа." in await pressed(stage, "2", chat=BORIS)


# --- the rule itself --------------------------------------------------------------------------------------------------

PAGES = [
    Passage("Introduction.", 1, name="report.pdf", id=1),
    Passage("The code of the door is 4711. It was painted by the guard.", 2, name="report.pdf", id=2),
    Passage("Запасной ключ лежит у консьержа.", 0, name="ключи.txt", id=3),
]
CASES = {
    "The code of the door is 4711 [report.pdf, p. 2]. More.": "The code of the door is 4711.¹ More.",
    "The code is 4711. [report.pdf, с. 2] Next, nothing.": "The code is 4711.¹ Next, nothing.",
    "It is 4711.": "It is 4711.¹",
    "- **4711** is the code of the door\n- запасной ключ лежит у консьержа":
        "- **4711** is the code of the door¹\n- запасной ключ лежит у консьержа²",
    "| door code | 4711 |\n|---|---|": "| door code | 4711 ¹ |\n|---|---|",
    "> It was painted by the guard.": "> It was painted by the guard.¹",
    "It was painted by the guard.¹ The moon.²": "It was painted by the guard.¹ The moon.",
    "The code is 4712 [report.pdf, p. 2].": None,
    "[report.pdf, p. 2]": None,
    "The door.": None,
    "You are welcome.": None,
    "```\nThe code of the door is 4711.\n```": None,
    "`The code of the door is 4711. Next` one": None,
    "The flat has 50 m²\nand nothing else": None,
    "The flat has 50 m²\nIt is 4711.": "The flat has 50 m²\nIt is 4711.¹",
    "# The code of the door is 4711": None,
    "$$\nThe code of the door is 4711.\n$$": None,
    "": None,
}  # fmt: skip


def test_a_sentence_that_stands_in_a_document_gets_its_number_and_others_stay() -> None:
    for answer, expected in CASES.items():
        found = noted(answer, PAGES, "en")
        assert (found.text if found else None) == expected, answer


def test_an_answer_with_many_quotes_only_names_its_pages() -> None:
    facts = [f"Shelf {number} holds {number * 7} boxes of paper for the office." for number in range(1, 50)]
    found = noted(" ".join(facts), [Passage(" ".join(facts), 1, name="a.pdf", id=1)], "en")
    assert found is not None
    assert found.below == f"**{say('en', 'sources')}:**\n¹ a.pdf, p. 1"


SENTENCES = ["The code of the door is 4711.", "It was painted [report.pdf, p. 2].", "Ключ лежит у консьержа.",
             "Nobody knows.", "\n", "- ", "`x`", "[report.pdf, p. 1]", "¹", "```"]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(SENTENCES), max_size=8).map(" ".join))
def test_what_was_quoted_is_found_again_in_the_stored_answer_and_no_word_is_lost(answer: str) -> None:
    found = noted(answer, PAGES, "en")
    if found is None:
        return
    sources = rests_on("", Retrieved("", tuple(PAGES)), found)
    again = noted(found.text, [one for one in PAGES if _page(one) in sources], "en", sources)
    assert again is not None
    assert (again.text, again.spans) == (found.text, found.spans)
    kept = found.text.translate(dict.fromkeys(map(ord, "¹²³\u202f")))
    bare = answer.translate(dict.fromkeys(map(ord, "¹²³\u202f")))
    for mark in ("[report.pdf, p. 2]", "[report.pdf, p. 1]"):
        kept, bare = kept.replace(mark, ""), bare.replace(mark, "")
    assert "".join(kept.split()) == "".join(bare.split())


def _page(passage: Passage) -> Source:
    return Source(passage.name, page=passage.page, place=passage.place)


LIBRARIES = """
import sys
from bot.knowledge import documents
from bot.storage.repositories.files.documents import Passage
pages = [Passage("The weather is fine."), Passage("The capital is Fredville.")]
assert documents.note("The capital is Fredville.", pages, "en")
assert "numpy" not in sys.modules
sys.modules |= dict.fromkeys(("numpy", "snowballstemmer"))
assert documents.ranked("Which capital?", pages)[0] is pages[1]
assert documents.note("The capital is Fredville.", pages, "en") is None
"""


def test_numpy_is_imported_only_to_search_and_without_the_libraries_documents_are_still_read() -> None:
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True, timeout=120)
