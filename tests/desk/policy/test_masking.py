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
        ("", ""),
    ],
)
def test_secrets_are_hidden(text: str, shown: str) -> None:
    assert masked(text, cards=True, passwords=True)[0] == shown
    assert masked(text, cards=False, passwords=False) == (text, ())


def test_what_was_found_is_named() -> None:
    assert masked("4111111111111111", cards=True, passwords=True)[1] == ("cards",)
    assert masked("pin 1234: 4111111111111111", cards=True, passwords=True)[1] == ("cards", "passwords")
    assert masked("pin 1234", cards=True, passwords=False) == ("pin 1234", ())
