"""The sentences of an answer that need no source: greetings, questions back and closings. A closed list. Pure."""

from __future__ import annotations

import re

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
