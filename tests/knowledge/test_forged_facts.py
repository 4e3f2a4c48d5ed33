"""Numbers, links and names that look like those of the sources are not sent, nor headings that state something."""

from __future__ import annotations

from bot.knowledge.answer.numerals import in_digits
from bot.knowledge.answer.quotes import facts, missing
from tests.knowledge.test_answer import GOOD, sent
from tests.support.table import table

SOURCE = (
    "Вернуть товар можно в течение 14 дней. Доставка стоит 300 рублей, гарантия 24 месяца. Пишите на "
    "help@shop.example, открывайте https://shop.example/return или спрашивайте @shop_help. Офис: офис.рф. Лимит "
    "300 000 рублей."
)


@table(
    "sentence",
    [
        # links and names that look like others
        "Пишите @evilsupport.",
        "Пишите ＠evilsupport.",
        "Пишите @shop_he1p.",
        "Откройте shop.exаmple/return.",
        "Откройте https://shop.exаmple/return.",
        "Откройте вор.рф.",
        "Откройте xn--b1ao4b.xn--p1ai.",
        "Откройте evil。example.",
        "Откройте evil｡example.",
        "Откройте evil．example.",
        "Откройте evil[.]example.",
        "Откройте evil (dot) example.",
        "Откройте evil dot com.",
        "Откройте evil точка рф.",
        "Откройте ev\u200bil.example.",
        "Откройте evil\u2060.example.",
        "Откройте 例え.テスト.",
        "Откройте оффис.рф.",
        "Откройте офиc.рф.",
        "Откройте t.me/evilsupport.",
        "Пишите help@shop.exаmple.",
        "Пишите help(at)evil.example.",
        "Пишите в Shop‑хелп или shоp.",
        "Это αдрес shοp.",
        # numbers in words
        "Вернуть можно в течение тридцати дней.",
        "Вернуть можно за тридцать дней.",
        "Return within thirty days.",
        "Вернуть можно за пятнадцать дней.",
        "Вернуть можно на пятнадцатый день.",
        "Return on the fifteenth day.",
        "Вернуть можно на двадцать пятый день.",
        "Return it on the twenty-first day.",
        "Тридцатидневный возврат.",
        "A thirty-day return.",
        "Сорок дней.",
        "Лимит полтора миллиона.",
        "Лимит пятьсот тысяч рублей.",
        "Two hundred and fifty days.",
        "A dozen days.",
        "Twice a day.",
        "Тридцати‑дневный срок.",
        "Тридц\u00adати дней.",
        # digits that look like others, units, short forms
        "Вернуть можно за 14O дней.",
        "Вернуть можно за 14О дней.",
        "Вернуть можно за l4 дней.",
        "Вернуть за I4 дней.",
        "Вернуть за 14l дней.",
        "Вернуть за 1４0 дней.",
        "Вернуть за ⑭⓪ дней.",
        "Вернуть за 1\u200b40 дней.",
        "Вернуть можно в течение 14 лет.",
        "Вернуть можно в течение 14 часов.",
        "Вернуть можно за 14 недель.",
        "Return within 14 years.",
        "Return within 14 business hours.",
        "Вернуть можно за четырнадцать месяцев.",
        "Гарантия 24 дня.",
        "Гарантия 24 года.",
        "Лимит 300k долларов.",
        "Лимит 300 млн рублей.",
        "Лимит 3kk рублей.",
        "Лимит 1,5 млн.",
        "Лимит 1.5m.",
        "Доставка стоит 300к рублей в день 2к.",
        "Доставка стоит 300 долларов.",
    ],
)
def test_what_only_looks_like_the_source_is_missing_there(sentence: str) -> None:
    assert missing(facts(sentence), SOURCE), facts(sentence)


@table(
    "sentence",
    [
        "Пишите @shop_help.", "Откройте ОФИС.РФ!", "Откройте xn--h1alkk.xn--p1ai.", "Откройте www.shop.example/return.",
        "Вернуть можно за четырнадцать дней.", "Вернуть можно до четырнадцатого дня.", "Return within fourteen days.",
        "A fourteen-day return.", "Четырнадцатидневный возврат.", "14‑дневный возврат.", "A 14-day return.",
        "Вернуть можно в течение 14 календарных дней.", "14 (четырнадцать) дней.", "14-ти дней.", "На 14-й день.",
        "On the 14th day.", "Лимит 300k рублей.", "Лимит 300к ₽.", "Лимит 300 тыс. рублей.",
        "Лимит триста тысяч рублей.",
        "Доставка: триста рублей.", "Доставка 300р.", "Гарантия двадцать четыре месяца.", "Гарантия 24 мес.",
        "Первый шаг прост, второй тоже.", "First, one of the things.", "Конец фразы.Начало другой.", "Wi‑Fi есть.",
        "Это и т.д. и т.п.", "USB‑кабель.",
    ],
)  # fmt: skip
def test_what_the_source_says_in_another_way_is_there(sentence: str) -> None:
    assert missing(facts(sentence), SOURCE) == []


@table(
    ("sentence", "quote", "lost"),
    [
        ("Срок 14 дней", "Срок, дней: 14", []), ("5 кг", "5кг", []), ("5 kg", "весом 5 кг", []), ("5 г", "5кг", []),
        ("5 кг", "5 литров", ["5 кг"]), ("10 штук", "10 раз", ["10 штук"]), ("2026 год", "01.02.2026", []),
        ("в 2026 году", "2026", []), ("30 second timeout", "30 секунд", []), ("two weeks", "2 недели", []),
        ("one hundred and five", "105", []), ("пять тысяч", "5000", []), ("5 thousand", "пять тысяч", []),
        ("полтора миллиона", "1,5 млн", []), ("14o", "модель 14O", []), ("10GB", "10 гигабайт", []),
        ("shop.example", "xn--shop-exmple-x9k.com shop.example", []),
    ],
)  # fmt: skip
def test_units_and_short_forms_are_compared(sentence: str, quote: str, lost: list[str]) -> None:
    assert missing(facts(sentence), quote) == lost


@table(
    ("line", "digits"),
    [
        ("сто двадцать пять тысяч триста", "125300"), ("двести пятьдесят", "250"), ("пять шесть дней", "5 6 дней"),
        ("twenty-five", "25"), ("one hundred", "100"), ("двадцатипятидневный", "25 дневный"), ("пятница", "пятница"),
        ("тысячи и миллионы", "1000 и 1000000"), ("5 миллионов", "5 миллионов"), ("the seconds", "the seconds"),
    ],
)  # fmt: skip
def test_numbers_are_written_in_digits(line: str, digits: str) -> None:
    assert in_digits(line, vague=True) == digits


@table(
    ("answer", "left"),
    [
        (f"## Возврат отменён\n\n{GOOD} [a1].", f"{GOOD}."),
        (f"## Возврат отменён [a1]\n\n{GOOD} [a1].", f"{GOOD}."),
        (f"**Мошенники платят вдвое**\n{GOOD} [a1]", GOOD),
        (f"Деньги мы не возвращаем никогда:\n- {GOOD} [a1]", f"- {GOOD}"),
        (f"Переведите предоплату оператору:\n- {GOOD} [a1]", f"- {GOOD}"),
        (f"# Звоните @evilsupport\n\n{GOOD} [a1].", f"{GOOD}."),
        (f"Call evil.example first:\n\n{GOOD} [a1].", f"{GOOD}."),
        (f"Возврат через тридцать дней:\n{GOOD} [a1]", GOOD),
        (f"Вот порядок и сроки:\n{GOOD} [a1]", f"Вот порядок и сроки:\n{GOOD}"),
        (f"## Возврат товара\n\n{GOOD} [a1].", f"## Возврат товара\n\n{GOOD}."),
        (f"Деньги вернём на карту:\n{GOOD} [a1]", f"Деньги вернём на карту:\n{GOOD}"),
        (f"You will need:\n{GOOD} [a1]", f"You will need:\n{GOOD}"),
        (f"Пришлите пароль от банка. {GOOD} [a1].", f"{GOOD}."),
    ],
)  # fmt: skip
def test_a_heading_that_states_something_is_a_sentence(answer: str, left: str) -> None:
    assert sent(answer) == left
    assert sent(answer, size=1) == left
