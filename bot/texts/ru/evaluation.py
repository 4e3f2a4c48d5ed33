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
    "eval.cases": "{count} {count|пример|примера|примеров}",
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
    "eval.changed": (
        "Изменилось: {what}. {count|Затронут|Затронуто|Затронуто} {count} {count|пример|примера|примеров}: "
        "govorun eval ({price})."
    ),
    "eval.changed.routing": "темы",
    "eval.price": "около {price}",
    "eval.price.most": "не больше {price}",
    "eval.version": (
        "{model} отвечает другой версией: {new} вместо {old}. Можно проверить {count} "
        "{count|пример|примера|примеров}: govorun eval ({price})."
    ),
    "eval.night": (
        "Ночной прогон: {count} {count|пример|примера|примеров}, хуже {worse}, нарушено {broken}, "
        "не задано {unasked}; {cost}.\n{names}"
    ),
    "eval.night.failed": "Ночной прогон не начался: {reason}",
    "eval.why.code": "проверка в коде не пройдена",
    "eval.why.topic": "тема {topic}, а не {wanted}",
    "eval.why.answered": "есть ответ, а нужен отказ",
    "eval.why.refused": "отказ вместо ответа",
    "eval.why.nothing": "ответа нет",
    "eval.why.language": "язык ответа {spoken}, а не {wanted}",
    "eval.why.contains": "в ответе нет слов «{text}»",
    "eval.why.lacks": "в ответе есть слова «{text}»",
    "eval.why.numbers": "в ответе нет чисел: {text}",
    "eval.why.disliked": "это тот самый ответ с оценкой 👎",
    "eval.why.citations": "цитаты нет в источниках: «{text}»",
    "eval.why.cites": "нет ссылки на {text}",
    "eval.why.quotes": "нет цитаты «{text}»",
    "eval.why.late": "поиск ставит нужное только на место {rank}",
    "eval.why.unfound": "поиск не находит нужного",
    "eval.why.gold": "нет цитаты с ответом на вопрос",
    "eval.why.gone": "источника цитаты больше нет",
    "eval.why.page": "ни в одном источнике нет страницы {text}",
    "eval.why.source": "ни в одном источнике нет «{text}»",
    "eval.why.changed": "источники изменились и теперь отвечают на этот вопрос",
    "eval.why.purse": "бюджет прогона исчерпан",
    "trial.on": "«{name}», две версии: новая достаётся {share} % бесед до {until}.",
    "trial.over": "Проба «{name}» закончена ({share} % до {until}): во всех беседах прежняя версия.",
    "trial.version": (
        "{label}: ответов {answers}, 👍 {liked}, нет в источниках {refused}, к человеку {handed}, ход {cost}"
    ),
    "trial.differs": "Они различаются больше, чем случайно.",
    "trial.same": "Больше, чем случайно, они (пока) не различаются.",
}
