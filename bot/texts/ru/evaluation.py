"""Что читают владельцы и администраторы о примерах, версиях моделей, пробах и выделенных инстансах, по-русски."""

TEXTS = {
    "instance.down": "{model} не отвечает: инстанс не запущен ({reason}).",
    "instance.other": "Пока отвечает {model}.",
    "instance.nobody": "Заменить её некому; замену называет строка MODELS (stand_in).",
    "instance.last": "Последний ответ: {when}. Инстансы запускают в консоли AI Studio; бот пробует снова сам.",
    "instance.never": "ещё не было",
    "instance.back": "{model} снова отвечает.",
    "usage.instance": "· {model}, почасовая оплата: {hours} ч, {cost}",
    "usage.instance.unknown": "· {model}: почасовая оплата, здесь не посчитана (hours в MODELS)",
}
