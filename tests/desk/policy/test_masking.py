"""Numbers of cards and passwords are hidden; other numbers and sentences about passwords stay."""

from __future__ import annotations

from bot.desk.policy.masking import masked
from tests.support.table import table


@table(
    ("text", "shown"),
    [
        ("my card 4111 1111 1111 1111, thanks", "my card •••• •••• •••• 1111, thanks"),
        ("5555-5555-5555-4444", "••••-••••-••••-4444"),
        ("4111111111111111 and 378282246310005", "••••••••••••1111 and •••••••••••0005"),
        ("order 4111 1111 1111 1112", "order 4111 1111 1111 1112"),
        ("+7 495 123-45-67, order 55120000", "+7 495 123-45-67, order 55120000"),
        ("0000 0000 0000 0000", "0000 0000 0000 0000"),
        ("password: hunter", "password: ••••••"),
        ("Пароль — Кот2024!", "Пароль — •••••••!"),
        ("мой пароль qwerty12 не подходит", "мой пароль •••••••• не подходит"),
        ("my password is pa55word", "my password is ••••••••"),
        ("I forgot my password and the mail does not come", "I forgot my password and the mail does not come"),
        ("забыл пароль от кабинета", "забыл пароль от кабинета"),
        ("cvv 123", "cvv •••"),
        ("PIN=0000", "PIN=••••"),
        ("password:", "password:"),
        ("пароль: 🔑ключ", "пароль: ••••••"),
        ("spinning 12 passwords", "spinning 12 passwords"),
        ("4111\u00a01111\u00a01111\u00a01111", "••••\u00a0••••\u00a0••••\u00a01111"),
        ("4111\u20111111\u20111111\u20111111", "••••\u2011••••\u2011••••\u20111111"),
        ("4111  1111  1111  1111", "••••  ••••  ••••  1111"),
        ("4111.1111.1111.1111", "••••.••••.••••.1111"),
        ("4111 – 1111 – 1111 – 1111", "•••• – •••• – •••• – 1111"),
        ("4111—1111—1111—1111—моя", "••••—••••—••••—1111—моя"),
        ("４１１１ １１１１ １１１１ １１１１", "•••• •••• •••• １１１１"),
        ("4111\u200b1111\u20091111\u202f1111", "••••\u200b••••\u2009••••\u202f1111"),
        ("4111_1111/1111·1111", "••••_••••/••••·1111"),
        ("заказ 12 4111 1111 1111 1111", "заказ 12 •••• •••• •••• 1111"),
        ("4111 1111 1111 1111 12/27", "•••• •••• •••• 1111 12/27"),
        ("3782 822463 10005 и 2200 7001 5555 5559", "•••• •••••• •0005 и •••• •••• •••• 5559"),
        ("2026-11-25 12.30.11", "2026-11-25 12.30.11"),
        ("pass\u00adword: hunter", "pass\u00adword: ••••••"),
        ("пароль\u00a0\u00a0—\u00a0кот", "пароль\u00a0\u00a0—\u00a0•••"),
        ("ｐａｓｓｗｏｒｄ： hunter", "ｐａｓｓｗｏｒｄ： ••••••"),
        ("пин‑код 1 2 3 4", "пин‑код • • • •"),
        ("cvv １２３", "cvv •••"),
        ("cvc ‒ 123", "cvc ‒ •••"),
        ("", ""),
    ],
)
def test_secrets_are_hidden(text: str, shown: str) -> None:
    assert masked(text, cards=True, passwords=True)[0] == shown
    assert masked(text, cards=False, passwords=False) == (text, ())


@table(
    ("text", "shown"),
    [
        ("+7 (900) 123-45-67, Anna", "+• (•••) •••-••-67, Anna"),
        ("8 900 123 45 67", "• ••• ••• •• 67"),
        ("89001234567", "•••••••••67"),
        ("8\u00a0900\u00a0123\u201145\u201167", "•\u00a0•••\u00a0•••\u2011••\u201167"),
        ("8  900  123  45  67", "•  •••  •••  ••  67"),
        ("+7.900.123.45.67", "+•.•••.•••.••.67"),
        ("＋７ ９００ １２３ ４５ ６７", "＋• ••• ••• •• ６７"),
        ("(495) 123-45-67", "(•••) •••-••-67"),
        ("call 212-555-0199 or +44 20 7946 0958", "call •••-•••-••99 or +•• •• •••• ••58"),
        ("order 1234567890, 14 days, 2026-11-25", "order 1234567890, 14 days, 2026-11-25"),
        ("4111 1111 1111 1111", "4111 1111 1111 1111"),
        ("10.12.2026 12:30", "10.12.2026 12:30"),
    ],
)
def test_telephone_numbers_are_hidden(text: str, shown: str) -> None:
    assert masked(text, cards=False, passwords=False, phones=True)[0] == shown


def test_what_was_found_is_named() -> None:
    assert masked("4111111111111111", cards=True, passwords=True)[1] == ("cards",)
    assert masked("pin 1234: 4111111111111111", cards=True, passwords=True)[1] == ("cards", "passwords")
    assert masked("pin 1234", cards=True, passwords=False) == ("pin 1234", ())
    assert masked("8 900 123-45-67", cards=True, passwords=True, phones=True)[1] == ("phones",)
