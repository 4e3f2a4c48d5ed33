"""What leaves of a model's answer: sentences that rest on sentences of the sources, and no others."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date

from bench.knowledge.citations import answers, checked, judge
from bot.knowledge.answer.checker import Checker
from bot.knowledge.answer.extract import extract
from bot.knowledge.answer.presentation import Presentation, address
from bot.knowledge.answer.quotes import facts, missing, plain, quoted, stands
from bot.knowledge.answer.shown import Shown, sources_block
from bot.knowledge.sentences import spans
from bot.knowledge.stems import stems
from bot.types import FOLDED
from tests.support.table import table


def passage(number: int, title: str, text: str, url: str = "") -> Shown:
    return Shown(
        number, title, title, tuple(text[start:end] for start, end in spans(text)), url, changed=date(2026, 3, 12)
    )


RETURNS = passage(
    7, "Возврат",
    "Вернуть товар можно в течение 14 дней после покупки. Деньги вернём на карту за 3 рабочих дня. Открытую косметику "
    "мы не принимаем. По вопросам возврата пишите на help@shop.example или открывайте https://shop.example/return.",
    "https://shop.example/help",
)  # fmt: skip
DELIVERY = passage(
    9, "Delivery",
    "Delivery in the city costs 300 rubles. Orders from 5,000 rubles are delivered free of charge. The courier calls "
    "an hour before he comes. Run `shop-cli track --order ID` to see where the parcel is.",
)  # fmt: skip
SHOWN = [RETURNS, DELIVERY]
GOOD = "Вернуть товар можно в течение 14 дней после покупки"


def sent(answer: str, size: int = 1_000_000, shown: list[Shown] = SHOWN) -> str:
    checker = Checker(shown)
    pieces = [piece for at in range(0, len(answer), size) for piece in checker.feed(answer[at : at + size])]
    return "".join(piece.before + piece.text for piece in [*pieces, *checker.end()])


@table(("answer", "left"), [
    # marks, however they are written
    (f"{GOOD} [a1].", f"{GOOD}."),
    (f"{GOOD}. [a1] Деньги вернём на карту за 3 рабочих дня. [a2]",
     f"{GOOD}. Деньги вернём на карту за 3 рабочих дня."),
    (f"{GOOD}.[a1]", f"{GOOD}."),
    (f"[a1] {GOOD}.", f"{GOOD}."),
    (f"{GOOD} [А1].", f"{GOOD}."),  # Cyrillic
    (f"{GOOD} [а1].", f"{GOOD}."),
    (f"{GOOD} [a1][a1][b1].", f"{GOOD}."),
    (f"{GOOD} [[a1], [a2]].", f"{GOOD}."),
    (f"{GOOD} [a1-a3].", f"{GOOD}."),
    (f"{GOOD} [z9].", f"{GOOD}."),  # unknown: code finds the sentence
    (f"{GOOD} [a99].", f"{GOOD}."),
    (f"{GOOD} [b2].", f"{GOOD}."),  # shifted
    (f"{GOOD}.", f"{GOOD}."),  # missing
    (f"{GOOD} [см. a1].", f"{GOOD}."),  # invented
    (f"{GOOD} `[a1]`.", f"{GOOD}."),
    (f"{GOOD} [a1](https://evil.example).", f"{GOOD}."),
    (f"{GOOD} [1].", f"{GOOD}."),
    (f"{GOOD}.¹", f"{GOOD}."),
    (f"{GOOD}\n[a1]\n", f"{GOOD}"),
    (f"{GOOD} [a1", f"{GOOD}"),  # cut off before the mark was whole
    # sentences that nothing carries
    ("Луна сделана из сыра [a1].", ""),
    ("Да [a1].", ""),
    ("[a1] [b2]", ""),
    ("", ""),
    (" ".join(f"{GOOD}, слон{one} жираф{one} носорог{one};" for one in "абвгдежзиклмнопрст" * 2) + " [a1].", ""),
    # numbers, dates, amounts, links, addresses
    ("Вернуть товар можно в течение 30 дней после покупки [a1].", ""),
    ("Деньги вернём на карту за три рабочих дня [a2].", "Деньги вернём на карту за три рабочих дня."),
    ("Деньги вернём на карту за пять рабочих дней [a2].", ""),
    ("Orders from 5000 rubles are delivered free [b2].", "Orders from 5000 rubles are delivered free."),
    ("Orders from 5 000 ₽ are delivered free [b2].", "Orders from 5 000 ₽ are delivered free."),
    ("Orders from $5,000 are delivered free [b2].", ""),
    ("По вопросам возврата пишите на help@evil.example [a4].", ""),
    ("По вопросам возврата открывайте https://shop.example/return [a4].",
     "По вопросам возврата открывайте https://shop.example/return."),
    ("По вопросам возврата [пишите](https://evil.example/x) [a4].", ""),
    # quotations
    ("Сказано: «открытую косметику мы не принимаем» [a3].", "Сказано: «открытую косметику мы не принимаем»."),
    ("Сказано: «открытую косметику мы принимаем» [a3].", ""),
    ("> Открытую косметику мы принимаем [a3]", ""),
    ("> Открытую косметику мы не принимаем [a3]", "> Открытую косметику мы не принимаем"),
    ("Вы пишете «открытую косметику мы принимаем [a3].", ""),  # never closed
    ("Открытую косметику мы принимаем [a3].", "Открытую косметику мы принимаем."),  # negation is only reported
    # lists, tables, headings, code
    (f"Условия:\n- {GOOD} [a1]\n- Слоны летают [a1]", f"Условия:\n- {GOOD}"),
    ("Условия:\n- Слоны летают [a1]\n- Жирафы плавают", ""),
    (f"## Слоны\n\nСлоны летают [a1].\n\n## Возврат\n\n{GOOD} [a1].", f"## Возврат\n\n{GOOD}."),
    (f"1. {GOOD} [a1]\n2) Слоны летают", f"1. {GOOD}"),
    (f"**Возврат**\n{GOOD} [a1]", f"**Возврат**\n{GOOD}"),
    ("| Что | Цена |\n|---|---|\n| Delivery in the city | 300 rubles [b1] |\n| Delivery in the city | 20 rubles [b1] |",
     "| Что | Цена |\n|---|---|\n| Delivery in the city | 300 rubles |"),
    ("Цены за 2026 год:\n\nСлоны летают.", ""),
    ("Run it:\n```sh\nshop-cli track --order ID\n```\n[b4]", "Run it:\n```sh\nshop-cli track --order ID\n```"),
    ("Run it:\n```sh\nshop-cli delete --order ID\n```\n[b4]", ""),
    ("```\nshop-cli track --order ID [b4]\n```", "```\nshop-cli track --order ID\n```"),
    ("Run `shop-cli track --order ID` to see the parcel [b4].", "Run `shop-cli track --order ID` to see the parcel."),
    ("Run `shop-cli delete --order ID` to see the parcel [b4].", ""),
    ("```\n[a1]\n", ""),
    # greetings and closings
    (f"Здравствуйте! {GOOD} [a1]. Могу ли я ещё чем-нибудь помочь?",
     f"Здравствуйте! {GOOD}. Могу ли я ещё чем-нибудь помочь?"),
    ("Hello! Anything else?", ""),
    # across languages a mark is believed, numbers are not
    ("You get your money back on your card in 3 working days [a2].",
     "You get your money back on your card in 3 working days."),
    ("You get your money back on your card in 5 working days [a2].", ""),
    ("You get your money back on your card.", ""),
])  # fmt: skip
def test_only_what_the_sources_say_is_sent(answer: str, left: str) -> None:
    assert sent(answer) == left
    assert sent(answer, size=1) == left
    assert sent(answer, size=5) == left


def test_a_sentence_is_sent_as_soon_as_the_next_one_begins() -> None:
    checker = Checker(SHOWN)
    assert checker.feed(f"{GOOD}. [a1") == []
    assert checker.feed("] ") == []
    assert [piece.text for piece in checker.feed("Деньги")] == [f"{GOOD}."]


def test_a_sentence_that_was_broken_off_is_left_out() -> None:
    for rest, left in (
        ("Деньги верн", 1),
        ("Деньги вернём на карту [a2", 1),
        ("Деньги вернём на карту [a2]", 2),
        ("", 1),
    ):
        checker = Checker(SHOWN)
        checker.feed(f"{GOOD} [a1]. {rest}")
        checker.end(broken=True)
        assert len(checker.kept) == left, rest


def test_a_wrong_mark_is_moved_to_the_sentence_that_carries_it() -> None:
    checker = Checker(SHOWN)
    checker.feed(f"{GOOD} [b2].")
    (piece,) = checker.end()
    (quote,) = piece.quotes
    assert (quote.passage, RETURNS.text[quote.start : quote.end], piece.seen) == (7, f"{GOOD}.", ("moved",))


def test_an_embedder_tells_across_languages_which_sentence_is_meant() -> None:
    checker = Checker(
        SHOWN, nearest=lambda text, among, _marked: (0, 1) if (0, 1) in among and "money" in text else None
    )
    checker.feed("You get your money back on your card [b1]. Elephants can fly over there [a1].")
    pieces = checker.end()
    assert [RETURNS.text[one.start : one.end] for piece in checker.kept for one in piece.quotes] == [
        "Деньги вернём на карту за 3 рабочих дня."
    ]
    assert [one.text for one in checker.dropped] == ["Elephants can fly over there."]
    assert pieces == checker.kept[1:]


def test_what_failed_is_told_for_one_more_round() -> None:
    checker = Checker(SHOWN)
    checker.feed(
        f"{GOOD} [a1]. Вернуть товар можно в течение 30 дней [a1]. Слоны летают [a1]. Сказано: «мы принимаем» [a3]."
    )
    checker.end()
    assert (checker.survived, checker.wants_repair, checker.is_empty) == (0.25, True, False)
    told = checker.repair("ru")
    assert ("30" in told, "Слоны летают" in told, GOOD in told) == (True, True, False)
    assert checker.repair("en") != told


@table("language", ["ru", "en"])
def test_a_model_that_says_that_it_is_not_there_is_understood(language: str) -> None:
    checker = Checker(SHOWN)
    refusal = {"ru": "В источниках этого нет.", "en": "**The sources do not say.** [a1]"}[language]
    assert refusal.strip("*").split("*")[0] in sources_block(SHOWN, language)
    assert checker.feed(refusal) + checker.end() == []
    assert (checker.refused, checker.is_empty, checker.dropped) == (True, True, [])


def test_a_model_that_lies_gets_nothing_false_through() -> None:
    dice, counts = random.Random(4), Counter[str]()
    for texts in ([RETURNS.text, *MORE_TEXTS[:2]], [DELIVERY.text, *MORE_TEXTS[2:]]):
        for shown, lies, answer in answers(texts, 150, dice, most=2):
            judge(shown, lies, checked(shown, answer, dice), counts)
    never = (
        "without a valid mark",
        "with a mark left in it",
        "forged quotes sent",
        "changed numbers sent",
        "made up: sent",
    )
    assert {name: counts[name] for name in never} == dict.fromkeys(never, 0)
    assert min(counts["forged"] - 50, counts["number"] - 10, counts["sent"] - 300) > 0
    assert counts["shifted: right or gone"] >= 0.95 * counts["shifted"]
    assert counts["true quote: kept"] == counts["true quote"] > 20
    assert counts["true: kept"] == counts["true"] > 20


MORE = """
Склад работает с 9:00 до 21:00 каждый день. 1 января и 9 мая склад закрыт. Заказ хранится на складе 5 суток, потом
уезжает обратно поставщику. Позвонить кладовщику можно по телефону +7 495 123-45-67.

Бонусная карта выдаётся бесплатно при первой покупке. За каждые 100 рублей начисляется 4 бонуса. Бонусами «Весна»
можно оплатить до 30 % стоимости заказа. Бонусы сгорают 31.12.2026 в полночь по московскому времени.

The warranty of the model TX-200 lasts 24 months from the day of purchase. The battery has a warranty of 6 months
only. A repair takes 10 to 20 days in our workshop in Riga. We lend you another phone while yours is repaired.

Gift cards exist for 1000, 3000 and 5000 rubles in every shop. A gift card “Sunny” is valid for one whole year. You
can't change a gift card back into money. Two cards can be used for one order at the same time.
"""
MORE_TEXTS = [" ".join(one.split()) for one in MORE.split("\n\n")]


@table(("sentence", "quote", "lost"), [
    ("12 марта 2026", "12.03.2026", []), ("March 12, 2026", "12 марта 2026 года", []), ("12.03", "12 марта", []),
    ("2026-03-12", "12.03.2026", []), ("13 марта", "12.03", ["13"]), ("12 мая", "12.03", ["мая"]),
    ("1,5 млн рублей", "1 500 000 руб.", []), ("1.5 million", "1,5 миллиона", []), ("2 млн", "2 тыс.", ["2 млн"]),
    ("5%", "5 процентов", []), ("5 %", "5 рублей", ["5 %"]), ("5 рублей", "5 ₽", []), ("$5", "5 долларов", []),
    ("-5 градусов", "−5 °C", []), ("5 градусов", "−5 °C", ["5"]), ("10-15", "от 10 до 15", []),
    ("TX-200", "модель tx‑200", []), ("TX-201", "модель TX-200", ["tx-201"]), ("err_no", "err_on", ["err_no"]),
    ("+7 495 123-45-67", "+7 (495) 1234567", []), ("+7 495 123-45-68", "+7 (495) 1234567", ["+7 495 123-45-68"]),
    ("shop.example/a", "https://www.shop.example/a/", []), ("http://shop.example/b", "shop.example/a", ["http://shop.example/b"]),
    ("10:30", "в 10.30", ["10:30"]), ("20-летний", "20 лет", []), ("007", "7", []), ("٣", "3", []), ("два", "2-й", []),
    ("12345678901234567890123456789012", "12345678901234567890123456789013", ["12345678901234567890123456789012"]),
])  # fmt: skip
def test_facts_are_compared_by_what_they_mean(sentence: str, quote: str, lost: list[str]) -> None:
    assert missing(facts(sentence), quote) == lost


@table(("quote", "text", "is_there"), [
    ("“Open cosmetics”", "open  cosmetics", True), ("ещё не всё", "Еще\u00a0не все.", True),
    ("возможно всё", "невозможно всё", False),
    ("на пять минут до", "до", False), ("«Газпрома»", "ПАО «Газпром»", True), ("«Весна»", "Бонусами «Весны»", True),
    ("«Лето»", "Бонусами «Весны»", False), ("a – b c", "A-B C", False),
    ("мягкий пере\u00adнос тут", "мягкий перенос тут", True),
    ("й и ё тут".replace("й", "и\u0306"), "й и е тут", True),
])  # fmt: skip
def test_a_quote_stands_word_for_word_whatever_its_typography(quote: str, text: str, is_there: bool) -> None:
    assert stands(quote, text) is is_there
    assert plain(text) == plain(plain(text))


def test_what_is_quoted_is_found_in_all_quotation_marks() -> None:
    assert quoted('«a «b» c», “d”, „e“, "f" `g` 5"') == ["a «b» c", "d", "e", "f", "g"]
    assert quoted("начало» и «конец") == ["начало", "конец"]


def test_sources_are_numbered_by_article_and_link_to_the_sentence() -> None:
    checker, presented = Checker(SHOWN), Presentation(SHOWN, "ru")
    checker.feed(
        f"{GOOD} [a1]. Delivery in the city costs 300 rubles [b1]. Открытую косметику мы не принимаем [a3].\n\n"
    )
    checker.feed("| ? | ! |\n|---|---|\n| Orders from 5,000 rubles | are delivered free [b2] |")
    checker.end()
    assert "".join(map(presented.show, checker.kept)) == (
        f"{GOOD}.¹ Delivery in the city costs 300 rubles.² Открытую косметику мы не принимаем.¹\n\n"
        "| ? | ! |\n|---|---|\n| Orders from 5,000 rubles | are delivered free ² |"
    )
    first, second = presented.sources().split("\n")[1:]
    assert first.startswith("¹ [Возврат](https://shop.example/help#:~:text=")
    assert first.endswith(" (12 марта 2026)")
    assert second == "² Delivery (12 марта 2026)"
    assert presented.quotes().split("\n>\n")[0] == f"> {FOLDED}¹ {GOOD}."
    assert Presentation(SHOWN, "en").sources() == "" == Presentation(SHOWN, "en").quotes()


@table(("shown", "sentence", "found"), [
    (Shown(1, "", "", (), "https://e.org/x", "top"), "Он-а, б",
     "https://e.org/x#top:~:text=%D0%9E%D0%BD%2D%D0%B0%2C%20%D0%B1"),
    (Shown(1, "", "", (), "https://e.org/x#y"), " ".join("abcdefghijkl"), "https://e.org/x#y:~:text=a%20b%20c%20d,i%20j%20k%20l"),
    (Shown(1, "", "", (), "https://e.org/x.pdf", page=3), "a", "https://e.org/x.pdf#page=3"),
    (Shown(1, "", "", (), "javascript:alert(1)"), "a", ""), (Shown(1, "", "", ()), "a", ""),
])  # fmt: skip
def test_a_link_opens_the_page_or_the_sentence(shown: Shown, sentence: str, found: str) -> None:
    assert address(shown, sentence) == found


@table("text", ["*a* [b](c) `d` <e>", "> a\n# b", "||a|| ~b~ $c$", "![x](y)"])
def test_a_quote_is_shown_as_it_stands(text: str) -> None:
    from bot.telegram.render.layout import lay_out  # what Telegram is sent of Markdown
    from bot.telegram.render.parsing import parse

    (piece,) = extract([Shown(1, "T", "", (f"word {text}",))], {"word": 1}, 2, "en")[1:]
    presented = Presentation([Shown(1, "T", "", (f"word {text}",))], "en")
    presented.show(piece)
    shown = lay_out(parse(presented.quotes()))
    assert " ".join(text.split()) in str(shown)


def test_without_a_model_the_best_sentences_are_shown_with_the_one_a_pronoun_leans_on() -> None:
    texts = [RETURNS, passage(3, "Карта", "Бонусная карта бесплатна. Она действует год в магазинах города.")]
    asked = "Сколько действует карта в магазинах города?"
    frequencies = dict.fromkeys(stems(asked), 1)
    pieces = extract(texts[::-1], frequencies, 10, "ru")
    assert [piece.text for piece in pieces[:2]] == [
        "Вот что сказано в источниках:", "Бонусная карта бесплатна. Она действует год в магазинах города."
    ]  # fmt: skip
    assert extract(texts, {"слон": 1}, 10, "ru") == extract([], frequencies, 10, "ru") == []
