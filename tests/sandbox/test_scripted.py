"""What the scripted model says, and the pictures that are drawn by rule."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image

from bot.prompts.catalog import PROMPTS, instruct
from bot.sandbox import painter, scripted_tools
from bot.sandbox import scripted_model as model
from bot.sandbox.ai_studio.generation.writer import phrases, sentences, tokens
from bot.sandbox.painter import SUBJECT_OF_FORM, WORDS, find_subjects


def say(*texts: str) -> str:
    roles = ("user", "assistant")
    return model.answer([{"role": roles[at % 2], "text": text} for at, text in enumerate(texts)])


@pytest.mark.parametrize(
    ("question", "mark"),
    [
        ("Hello!", "scripted model of the sandbox"),
        ("Привет, кто ты?", "учебная модель песочницы"),
        ("show me a table", "|:-------|"),
        ("Нарисуй таблицу планет", "| Планета |"),
        ("write some code", "```python"),
        ("напиши код", "```python"),
        ("a list of teas", "   - water"),
        ("Список дел, пожалуйста", "1. **Пакетик**"),
        ("a formula please", "$$"),
        ("какая формула?", "$$"),
        ("my tasks", "- [ ] "),
        ("список задач", "- [x] "),
        ("something slow", "**Stop**"),
        ("instant", "without any waiting"),
    ],
)
def test_a_word_brings_its_kind_of_answer(question: str, mark: str) -> None:
    assert mark in say(question)


def test_every_answer_is_in_the_language_of_the_question() -> None:
    for russian in ("таблица", "код", "список", "формула", "задачи", "длинный", "медленно", "что я сказал?", "абв"):
        assert re.search("[а-я]{3}", say(russian))
    for english in ("table", "code", "list", "formula", "task", "long", "slow", "do you remember?", "abc"):
        assert not re.search("[а-я]{3}", say(english))


def test_it_quotes_the_question_and_counts_what_it_was_given() -> None:
    assert say("Murka").startswith("You wrote (1 word):")
    answer = say("one", "two", "Why is\nthe sea salt?")
    assert "> Why is\n> the sea salt?" in answer
    assert "**2** earlier messages" in answer


def test_it_remembers_exactly_what_it_was_given() -> None:
    answer = say("My cat is called Murka", "A fine name", "what did I say?")
    assert "1. **You:** My cat is called Murka" in answer
    assert "2. **I:** A fine name" in answer
    assert "nothing yet" in say("what did I say?")


@pytest.mark.parametrize("question", ["a long answer", "длинный ответ"])
def test_the_long_answer_needs_more_than_two_messages(question: str) -> None:
    answer = say(question)
    assert 8_200 < len(answer) < 10_000
    assert answer.startswith("# ")
    assert len(re.findall(r"^## \d+\. ", answer, re.MULTILINE)) >= 12
    paragraphs = answer.split("\n\n")
    assert len(set(paragraphs)) == len(paragraphs)
    assert answer.count("**") % 2 == 0


@pytest.mark.parametrize("split", [phrases, sentences, tokens])
@pytest.mark.parametrize("text", ["", " ", "a", "  two  words\n\n", "Утконос — зверь.\n\n```\nx = 1\n```\n", "я" * 999])
def test_pieces_joined_are_the_text(split: object, text: str) -> None:
    assert callable(split)
    assert "".join(split(text)) == text


def test_a_picture_is_a_small_jpeg_of_its_size() -> None:
    data = painter.draw("закат над морем", 7, 16, 9)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("JPEG", painter.size_of(16, 9))
    assert len(data) < 200_000


@pytest.mark.parametrize(
    ("prompt", "subjects"),
    [
        ("a lighthouse in a storm", {"lighthouse", "storm"}),
        ("Старый маяк ночью", {"lighthouse", "night"}),
        ("a cat on a roof", {"cat", "house"}),
        ("Рыжий кот, две кошки и котёнок у моря", {"cat", "sea"}),
        ("Cats and ships", {"cat", "ship"}),
        ("заснеженный лес в горах", {"forest", "mountains"}),
        ("В городе идёт дождь", {"city", "storm"}),
        ("warehouse, season, category, которого, гордость, морковь", set()),
        ("", set()),
    ],
)
def test_a_picture_shows_what_whole_words_name(prompt: str, subjects: set[str]) -> None:
    assert find_subjects(prompt) == subjects


@pytest.mark.parametrize("subject", WORDS)
def test_each_subject_changes_the_picture(subject: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = painter.draw(f"{WORDS[subject].split()[0]} 1", 1)
    monkeypatch.delitem(SUBJECT_OF_FORM, WORDS[subject].split()[0])
    painter.draw.cache_clear()
    assert painter.draw(f"{WORDS[subject].split()[0]} 1", 1) != with_it


def test_the_same_prompt_and_seed_give_the_same_picture() -> None:
    first = painter.draw("forest", 1)
    assert painter.draw("forest", 1) == first
    assert painter.draw("forest", 2) != first
    assert painter.draw("city", 1) != first


@pytest.mark.parametrize("ratio", [(1, 1), (2, 1), (3, 4), (16, 9), (1, 100)])
def test_sizes_keep_the_ratio_and_the_area(ratio: tuple[int, int]) -> None:
    width, height = painter.size_of(*ratio)
    wanted = max(ratio[0] / ratio[1], 0.25)
    assert width % 8 == height % 8 == 0
    assert abs(width * height / 2**20 - 1) < 0.02
    assert abs(width / height / wanted - 1) < 0.02


def ask(system: str, text: str) -> str:
    return model.answer([{"role": "system", "text": system}, {"role": "user", "text": text}])


def test_what_the_bot_asks_for_beside_talk_is_answered_as_asked() -> None:
    assert ask(instruct("ru", "title"), "Как заварить чай?\n\nВот таблица") == "Как заварить чай"
    assert ask(instruct("en", "title"), "Show me a table, please") == "Show me a table, please"
    assert ask(instruct("ru", "image.improve"), "кот в шляпе").startswith("кот в шляпе, мягкий вечерний свет")
    assert ask(instruct("en", "summary"), "I am Anna\n\nGood day").splitlines() == ["- I am Anna", "- Good day"]


@pytest.mark.parametrize(("question", "language"), [("something slow", "en"), ("Напиши медленно", "ru")])
def test_an_answer_that_was_stopped_goes_on_where_it_ended(question: str, language: str) -> None:
    whole = say(question)
    begun = whole[:50]
    assert begun + say(question, begun, instruct(language, "resume")) == whole


@pytest.mark.parametrize(
    ("question", "expression"),
    [
        ("How much is (2 + 3) * 4 - 1?", "(2 + 3) * 4 - 1"),
        ("In 2026 I ask: 2^10 / 4, please", "2^10 / 4"),
        ("Сколько будет 15×3,5 (примерно)", "15×3,5"),
        ("take «7 mod 3»", "7 mod 3"),
        ("nothing to count", "nothing to count"),
    ],
)
def test_a_tool_gets_the_sum_or_the_quote_of_a_question(question: str, expression: str) -> None:
    schema = {"type": "object", "properties": {"expression": {"type": "string"}}}
    assert scripted_tools.fits(schema, question) == {"expression": expression}


@pytest.mark.parametrize("question", ["about a forbidden topic", "на запретную тему", "О ЗАПРЕТНЫХ ТЕМАХ"])
def test_a_forbidden_topic_is_refused(question: str) -> None:
    assert model.is_refused([{"role": "user", "text": question}])
    assert not model.is_refused([{"role": "user", "text": "запретный плод"}])


def documents(language: str, example: str, found: str, question: str) -> str:
    head, tail = instruct(language, "documents.head", example=example), instruct(language, "documents.tail")
    return f"{head}\n\n{found}\n\n{tail}\n{question}"


@pytest.mark.parametrize("language", PROMPTS)
def test_a_document_is_quoted_with_its_place(language: str) -> None:
    found = (
        "[report.pdf, p. 1]\nThe report.\n\n[report.pdf, p. 2]\nThe warranty lasts 24 months.\nBoilers are excluded."
    )
    text = documents(language, "report.pdf, p. 1", found, "How long is the warranty?")
    text += "\n" + instruct(language, "document.kept.pages", name="report.pdf", pages=2)
    assert "> The warranty lasts 24 months." in say(text)
    assert "[report.pdf, p. 2]" in say(text)
    assert "none of your question's words" in say(text.replace("How long is the warranty?", "Who?"))


def test_words_to_try_work_after_a_document_but_not_in_the_question_that_brings_it() -> None:
    text = documents("en", "a.pdf, p. 1", "[a.pdf, p. 1]\nThe table is slow.", "Show me a table")
    assert "|:-------|" in say(text)
    assert model.seconds_wanted([{"role": "user", "text": text}]) is None
    with_file = text + "\n" + instruct("en", "document.kept.pages", name="a.pdf", pages=1)
    assert "> The table is slow." in say(with_file)


def test_a_slow_answer_leaves_time_to_press_stop() -> None:
    assert model.seconds_wanted([{"role": "user", "text": "Расскажи медленно"}]) == 20
    assert model.seconds_wanted([{"role": "user", "text": "instant"}]) == 0


@pytest.mark.parametrize("language", PROMPTS)
def test_what_can_not_be_seen_is_said_and_not_repeated(language: str) -> None:
    assert "не вижу" in say(f"Что здесь?\n{instruct(language, 'picture.blind')}")
    assert "не могу открыть" in say(f"Что здесь?\n{instruct(language, 'attachment.unread', kind='video')}")


def test_what_has_no_letters_is_answered_in_the_language_of_the_talk() -> None:
    assert "Вы написали" in say("Привет", "Здравствуйте!", "🙂")


def test_a_word_in_a_document_calls_no_tool() -> None:
    text = documents("en", "a.txt", "[a.txt]\nPlease order and search.", "Какой залог?")
    tools = [("shop_order", {"type": "object"}), ("web_search", {"type": "object"})]
    assert scripted_tools.calls([{"role": "user", "text": text}], tools) == []
    assert "нет" in say(text)
