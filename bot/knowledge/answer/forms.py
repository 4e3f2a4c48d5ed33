"""The parts of an answer that need no source: greetings, questions back and closings, of which there is a closed list,
and headings and introductions that only frame what follows (`Framing`). Pure.

"Conditions:" or a heading with the words of one sentence of the sources frames; what has other words is a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from bot.knowledge.answer.quotes import plain
from bot.knowledge.answer.shown import Shown
from bot.knowledge.stems import stems

NAME = r"(?:, [A-ZА-ЯЁ][a-zа-яё]{1,20})?"
GREETING = re.compile(
    rf"(?:здравствуйте|добрый (?:день|вечер)|доброе утро|привет|hello|hi|good (?:morning|afternoon|evening)){NAME}"
    r"|(?:конечно|разумеется|certainly|of course|sure|спасибо за (?:ваш )?вопрос|thank you for your question)"
    r"|вот (?:что )?(?:я нашёл|я нашел|сказано|говорится)(?: об этом)?(?: в источниках)?"
    r"|here is what (?:i found|the sources say)(?: about (?:it|this|that))?",
    re.IGNORECASE,
)
CLOSING = re.compile(
    r"(?:могу ли я|могу|чем (?:ещё |еще )?(?:я )?могу)(?: вам)?(?: ещё| еще)?(?: чем[- ](?:нибудь|то))?(?: вам)? помочь"
    r"|(?:если )?(?:у вас )?(?:остались|есть|будут|появятся)(?: ещё| еще)? вопросы"
    r"(?:, (?:пожалуйста, )?(?:спрашивайте|задавайте|пишите|обращайтесь))?"
    r"|что именно вас интересует|(?:пожалуйста, )?уточните(?:, пожалуйста,)? (?:ваш )?вопрос|что вы имеете в виду"
    r"|(?:is there )?anything else(?: i can (?:help you with|do for you))?|can i help you with anything else"
    r"|(?:please )?let me know if you have (?:any )?(?:other |more |further )?questions"
    r"|what (?:exactly )?would you like to know|could you (?:please )?be more specific|what do you mean",
    re.IGNORECASE,
)
SMALL_TALK = re.compile(
    rf"(?:{GREETING.pattern}|(?:большое |огромное )?спасибо(?: (?:большое|вам|тебе|огромное)){{0,2}}|благодарю(?: вас)?"
    r"|понятно|ясно|хорошо|ок(?:ей)?|отлично|супер|как дела|до свидания|пока|всего доброго"
    r"|thanks?(?: you)?(?: (?:so|very) much| a lot)?|okay|ok|great|fine|how are you|(?:good)?bye|see you)"
    r"(?:[,!. ]+(?:спасибо|thanks|thank you|до свидания|bye))?",
    re.IGNORECASE,
)
PARTS = re.compile(r"\s(?:и|или|либо|and|or)\s|[,;|/&:()-]")
NEGATION = re.compile(
    r"(?<!\w)(?:не|нет|ни|без|нельзя|никогда|not?|never|without|cannot|\w+n['’]t)(?!\w)", re.IGNORECASE
)
ENOUGH = 0.5  # of the words of a table's head: without it the rows are no table
FRAMING = """
условия условие порядок шаги шаг пошагово инструкция инструкции ответ итог итого вывод кратко коротко подробно подробнее
важно внимание примечание пример примеры список варианты вариант способы способ нужно понадобится понадобятся необходимо
следующее следующие следующий ниже сделайте сделать выполните действия действие требования требование документы документ
информация сведения детали подробности срок сроки цена цены стоимость тариф тарифы исключения исключение ограничения
вопрос вопросы контакты адрес телефон почта сайт ссылка ссылки источник источники источниках также дополнительно кроме
номер название дата место время команда команды код файл запустите откройте напишите позвоните проверьте раздел тема
общее общие основные основное главное правила правило преимущества недостатки плюсы минусы сравнение таблица
значение товар услуга сумма количество сказано говорится нашёл найдено указано
conditions condition steps step instructions instruction answer summary short brief briefly details detail important
note notes attention example examples list options option ways way need needed required requirements follow follows
following
below steps documents document information terms price prices cost costs fee fees deadline limits exceptions question
questions contact contacts address phone mail site link links source sources say says said also additionally number name
date place time command commands code file run open write call check section topic general main key rules rule pros cons
comparison table overview conclusion result value item amount quantity found
"""


def is_greeting(sentence: str) -> bool:
    """Whether a sentence only opens an answer; it is sent if something follows."""
    return GREETING.fullmatch(_words(sentence)) is not None


def is_closing(sentence: str) -> bool:
    """Whether a sentence only closes an answer or asks back; it is sent if something was sent before it."""
    return CLOSING.fullmatch(_words(sentence)) is not None


def is_small_talk(message: str) -> bool:
    """Whether a person's message asks nothing: a greeting, thanks, a goodbye."""
    return SMALL_TALK.fullmatch(_words(message)) is not None


def _words(sentence: str) -> str:
    return " ".join(sentence.split()).strip(" !.?…:*_")


class Framing:
    """What the shown passages say, as headings and introductions are compared with it."""

    def __init__(self, shown: Sequence[Shown]) -> None:
        about = [frozenset(stems(plain(f"{one.title} {one.place}"))) for one in shown]
        self._lines = [*about]
        for passage, words in zip(shown, about, strict=True):
            self._lines += [frozenset(stems(plain(text))) | words for text in passage.sentences]
        self._negates = any(NEGATION.search(passage.text) for passage in shown)

    def frames(self, text: str, *, is_head: bool) -> bool:
        """Whether each part of a text has only words that frame what follows, or that one sentence of the sources has
        with its title. A text that negates frames nothing where no source does.
        """
        if NEGATION.search(text) and not self._negates:
            return False
        return all(self._is_known(part, ENOUGH if is_head else 1.0) for part in PARTS.split(plain(text)))

    def _is_known(self, part: str, enough: float) -> bool:
        words = frozenset(stems(part)) - _framing()
        return not words or any(len(words & line) >= enough * len(words) for line in self._lines)


@cache
def _framing() -> frozenset[str]:
    return frozenset(stems(FRAMING))
