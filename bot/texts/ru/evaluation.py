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
    "command.eval": "Примеры, которые задают снова перед изменением: /eval add (ответом на ответ)",
    "eval.no_answer": "Ответьте командой /eval add на мой ответ.",
    "eval.added": "Теперь это пример. govorun eval задаст его снова; в ответе должно быть:\n{must}",
    "eval.known": "Такой пример уже был. Теперь в ответе должно быть:\n{must}",
    "eval.wish": "После /eval add: ничего (цитаты и числа должны остаться), отказ, содержит ТЕКСТ или без ТЕКСТ.",
    "eval.must.refuse": "отказ или вызов человека",
    "eval.must.contain": "слова «{text}»",
    "eval.must.not": "без слов «{text}»",
    "eval.must.quote": "цитата «{text}»",
    "eval.must.tell": "числа {text}",
    "eval.must.answer": "сам ответ, на языке вопроса",
    "eval.list": "Примеры, добавленные здесь (/eval remove НОМЕР):",
    "eval.list.none": "Пока ничего не добавлено: ответьте на ответ командой /eval add.",
    "eval.removed": "Пример {number} убран.",
    "eval.unknown": "Примера {number} нет: /eval list",
    "eval.title": "Примеров: {count}",
    "eval.no_run": "Их ещё не задавали: govorun eval",
    "eval.last": (
        "Последний прогон: верно {right} из {count}; по сравнению с предыдущим лучше {better}, хуже "
        "{worse}, нарушено {broken}."
    ),
    "eval.help": "/eval add ответом на ответ делает его примером; /eval list показывает добавленные.",
    "eval.origin.file": "из файлов",
    "eval.origin.added": "добавлено здесь",
    "eval.origin.liked": "с оценкой 👍",
    "eval.origin.disliked": "с оценкой 👎",
    "eval.origin.gap": "вопросы без ответа",
    "eval.origin.gold": "из базы знаний",
    "eval.origin.topic": "примеры тем",
    "eval.origin.code": "из кода",
    "eval.changed": "Изменилось: {what}. Затронуто примеров: {count}. Проверить: govorun eval ({price}).",
    "eval.changed.routing": "темы",
    "eval.price": "около {price}",
    "eval.price.most": "не больше {price}",
    "eval.version": (
        "{model} отвечает другой версией: {new} вместо {old}. Примеров для проверки: {count}, команда "
        "govorun eval ({price})."
    ),
    "eval.night": (
        "Ночной прогон: примеров {count}, хуже {worse}, нарушено {broken}, не задано {unasked}; {cost}.\n{names}"
    ),
    "eval.night.failed": "Ночной прогон не начался: {reason}",
    "trial.on": "Две версии «{name}»: новая достаётся {share} % бесед до {until}.",
    "trial.over": "Проба «{name}» закончена ({share} % до {until}): во всех беседах прежняя версия.",
    "trial.version": (
        "{label}: ответов {answers}, 👍 {liked}, нет в источниках {refused}, к человеку {handed}, ход {cost}"
    ),
    "trial.differs": "Они различаются больше, чем случайно.",
    "trial.same": "Больше, чем случайно, они (пока) не различаются.",
}
