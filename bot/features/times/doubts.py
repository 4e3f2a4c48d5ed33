"""Finds what stands beside a time expression and may change its meaning: "tomorrow after lunch", "tickets for Friday".

Begin with `is_doubtful`. The tables are phrases, separated by commas. In them "#" is a number, "#:#" a time of day, "@"
a unit such as "hours", and "~" stands for any ending of a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.features.times.facts import Facts
from bot.features.times.vocabulary import CARDINALS, EACH_WEEKDAY, MONTHS, ORDINALS, UNIT_WORDS, WEEKDAYS

Phrases = Sequence[Sequence[str]]

WORD = re.compile(r"[\w@]+(?::\d+)?")
NUMBERS = frozenset(" ".join((*CARDINALS.values(), *ORDINALS.values(), "ноль нуль zero oh")).split())
UNITS = frozenset(" ".join(UNIT_WORDS).split())


def is_doubtful(rest: str, facts: Facts, *, follows: bool) -> bool:
    """Whether the `rest` of a text may change the meaning of its time expression; `facts` are what the expression says.

    `follows`: the rest stands right after the expression.
    """
    words = WORD.findall(rest)
    clock = facts.clock
    bare = clock is not None and clock.bare and not (facts.part or clock.exact)
    return (
        _has(words, (*ANYWHERE, *OFTEN))
        or _has(words, REPETITIONS)
        or (not facts.is_timed and _has(words, HOURS))
        or (not facts.is_dated and _has(words, DAYS))
        or (follows and _begins(words, AFTER))
        or (follows and not facts.is_timed and _begins(words, AFTER_DAY))
        or (follows and bool(facts.repeat) and _begins(words, LAST))
        or (bool(facts.repeat) and _has(words, BOUNDS))
        or (follows and (bare or clock is None) and _begins(words, AFTER_HOUR))
        or (follows and bare and NOUN.fullmatch(words[0] if words else "") is not None)
    )


def repeats_otherwise(text: str) -> bool:
    """Whether a text asks for a repetition that no reminder has: "every 2 days", "каждые полчаса", "через день".

    `text` is in small letters.
    """
    words = WORD.findall(text)
    return _has(words, (*REPETITIONS, *OFTEN)) or _begins(words, EACH)


def is_bound(text: str) -> bool:
    """Whether a text ends with a word that belongs to a time expression after it: "tickets for", "before"."""
    return _begins(WORD.findall(text)[-1:], BEFORE)


def _has(words: Sequence[str], phrases: Phrases) -> bool:
    return any(_begins(words[start:], phrases) for start in range(len(words)))


def _begins(words: Sequence[str], phrases: Phrases) -> bool:
    return any(len(words) >= len(phrase) and all(map(_fits, words, phrase)) for phrase in phrases)


def _fits(word: str, given: str) -> bool:
    if given == "#":
        return word[:1].isdigit() or word in NUMBERS
    if given == "#:#":
        return ":" in word
    if given == "@":
        return word in UNITS
    return word.startswith(given[:-1]) if given.endswith("~") else word == given


def _phrases(*lists: str) -> Phrases:
    return [phrase.split() for words in lists for phrase in words.split(",")]


def _each(lists: Sequence[str]) -> str:
    return ",".join(" ".join(lists).split())


OF_TIME = (  # words of time that no form understands alone
    "утра,дня,вечера,ночи,утро,вечер,ночь,полтора,полторы,полчаса,am,pm,early,late,later,earlier,рано,поздно,позже,раньше,"
    "every,each,weekend,week,weeks,кажд~,выходн~,недел~," + _each((*UNIT_WORDS[:3], *MONTHS))
)
OFTEN = _phrases("раз в,раза в,times a,times per,once a,once per,once every,twice a,по четн~,по нечетн~")
ANYWHERE = _phrases(
    "last year,last month,last week,прошл~ год~,прошл~ месяц~,прошл~ недел~",
    "за # @,за @ до,за # до,@ before,@ after,@ prior,@ до,@ после",
)
REPETITIONS = _phrases(
    "every #,each #,every other,every few,every couple,every hour,every minute,every half,hourly,кажд~ #,"
    "every last,every first,every payday,every quarter,every season,every spring,every summer,every autumn,every fall,"
    "every winter,every term,every sprint,every shift,every january,biweekly,bimonthly,quarterly,semiannually,"
    "кажд~ перв~,кажд~ втор~,кажд~ трет~,кажд~ четверт~,кажд~ пят~,кажд~ последн~,кажд~ квартал,кажд~ сезон,"
    "кажд~ весн~,кажд~ лет~,кажд~ осен~,кажд~ зим~,кажд~ смен~,кажд~ зарплат~,кажд~ получк~,ежеквартально,"
    "кажд~ полнолун~,"
    "кажд~ несколько,кажд~ час,кажд~ минут~,кажд~ полчаса,ежечасно,раз в #,раз в час,раз в полчаса,через день,через раз"
)
AFTER = _phrases(  # "at 9 and at 10", "on the 5th of next month", "at 9 by Moscow time"
    OF_TIME,
    "and,or,и,или,but,но,except,кроме,of,# @,# # @,с половин~,с четверт~,с лишним,с небольшим,с чем-то,без,"
    "plus,плюс,minus,минус,give or take,ish,примерно,с хвостик~,с гаком,"
    "next month,next year,last month,следующ~,этого месяца,прошлого",
    "по москве,по мск,по московскому,по гринвичу,по местному,по utc,мск,utc,gmt,est,edt,cst,pst,pdt,cet,cest,bst,msk",
    "moscow time,london time,local time,eastern time,pacific time",
)
AFTER_DAY = _phrases(  # what may say the time of a day
    "after,before,until,till,during,when,while,since,between,from,lunchtime,at lunch,at work,no later,not before",
    "до,после,перед,пока,когда,ближе,во время,в обед,к обеду,в течение,как только,не раньше,не позже,не позднее",
)
LAST = _phrases(
    "until,till,til,through,up to,up until,до,по #,кроме,except,but not,for # @,for a,в течение,unless,если"
)  # "every day at 9 until Friday": the end of a repetition
BOUNDS = _phrases(  # where a repetition begins or ends, or what it leaves out
    "from next,from now,from the,from #,starting,beginning,as of,until,till,except,excluding,unless,other than,"
    "со следующ~,с нового,с начала,с конца,с #,начиная,до конца,до нового,кроме,исключая,за исключением,если,пока",
    "январ~,феврал~,март,марта,марте,апрел~,мае,мая,июн~,июл~,август~,сентябр~,октябр~,ноябр~,декабр~,зимой,весной,летом,"
    "осенью,in winter,in spring,in summer,in autumn",
    ",".join(f"{word} {month}" for word in ("from", "until", "in") for month in _each(MONTHS).split(",")),
)
EACH = _phrases("every,evry,each,кажд~,ежекварт~")  # at the beginning of a text they belong to the time
AFTER_HOUR = _phrases("#")  # "at 9 30", "in 2 hours 30"
NOUN = re.compile(r"[а-я]+(?:ах|ях|(?<![иьое])е)")  # "в 9 классе"
HOURS = _phrases(  # what may say a time of day, anywhere
    "at #,by #,in #,from #,to #,till #,until #,before #,after #,around #,than #",
    "в #,к #,с #,до #,от #,после #,около #,через #,раньше #,позже #,районе #",
    "утра,дня,вечера,ночи,обеденн~,часов,часу,часа,o'clock,am,pm,#:#",
)
DAYS = _phrases(  # what may say a day, anywhere
    "понедельник~,вторник~,среды,среде,средам,среду,четверг~,пятниц~,суббот~,воскресень~,завтра~,послезавтра,сегодняшн~",
    "вчера~,недел~,месяц~,выходн~,январ~,феврал~,март,марта,марте,апрел~,мае,июн~,июл~,август~,сентябр~,октябр~,ноябр~",
    "декабр~,yesterday,weekend,weekends,next week,next month,next year,this week,this month",
    _each((*WEEKDAYS, *EACH_WEEKDAY)),
)
BEFORE = _phrases(
    OF_TIME,
    "for,about,of,the,a,an,my,our,your,his,her,their,this,last,not,no,from,to,till,until,before,after,since,than,and,or",
    "but,other,second,third,first,on,in,at,by,with,а,на,про,о,об,до,от,с,со,из,за,для,по,перед,после,без,кроме,не,ни,или",
    "и,к,ко,в,во,у,через,прошл~,позапрошл~,втор~,перв~,последн~,#,@",
    _each((*WEEKDAYS, *EACH_WEEKDAY)),
)
