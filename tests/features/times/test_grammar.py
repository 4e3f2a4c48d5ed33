"""Grammar that strangers use: fractions of an hour, beginnings, which weekday of a month, every other week.

A line has what is written, what is understood, and what to remind of. Behind "?" are the times that are offered; a line
with "-" is refused, for the reason that follows it.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from bot.features.times.reading import Reading, following, read
from tests.features.times.test_reading import phrases
from tests.support.table import table

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=ZoneInfo("Europe/Moscow"))  # a Wednesday


def shown(reading: Reading) -> str:
    """The times of a reading, in the order in which they are offered."""
    times = [
        f"{when.at:%m-%d %H:%M}" if when.at.year == NOW.year else f"{when.at:%Y-%m-%d %H:%M}" for when in reading.times
    ]
    said = ", ".join(f"{at} {when.repeat}".strip() for at, when in zip(times, reading.times, strict=True))
    return said if reading.sure else f"? {said}" if said else f"- {reading.why}".strip()


RUSSIAN = """
через час с четвертью духовка | 11-25 13:15 | духовка
через 2 с четвертью часа духовка | 11-25 14:15 | духовка
через четверть часа чай | 11-25 12:15 | чай
через три четверти часа чай | 11-25 12:45 | чай
через час без четверти чай | ? 11-25 13:00 |
через час с лишним чай | ? 11-25 13:00 |
через час с хвостиком чай | ? 11-25 13:00 |
через час плюс 10 минут чай | ? 11-25 13:00 |
с понедельника бегать по утрам | 11-30 09:00 day | бегать
с понедельника бегать | ? 11-30 09:00, 11-30 09:00 day |
с понедельника бегать каждый день в 7 утра | 11-30 07:00 day | бегать
с 1 декабря каждое утро зарядка | 12-01 09:00 day | зарядка
каждый день с понедельника в 9 утра таблетки | 11-30 09:00 day | таблетки
с завтрашнего дня в 8 утра зарядка | ? 11-26 08:00, 11-26 08:00 day |
со следующей недели бегать по утрам | ? 11-26 09:00 day |
со следующего понедельника по будням в 7:00 подъём | 11-30 07:00 01234 | подъём
со вторника пить таблетки 3 раза в день | ? 12-01 09:00 day |
с четверга по вечерам йога | 11-26 19:00 day | йога
бегать по утрам с понедельника | 11-30 09:00 day | бегать
с понедельника по пятницу в 9:00 планёрка | ? 11-26 09:00 01234 |
каждую последнюю пятницу отчёт | 11-27 09:00 month-1 | отчёт
каждую последнюю пятницу месяца в 18:00 отчёт | 11-27 18:00 month-1 | отчёт
в последнюю пятницу каждого месяца отчёт | 11-27 09:00 month-1 | отчёт
в последнюю пятницу месяца отчёт | ? 11-27 09:00, 11-27 09:00 month-1 |
последняя пятница месяца отчёт | ? 11-27 09:00, 11-27 09:00 month-1 |
отчёт каждую последнюю пятницу | 11-27 09:00 month-1 | отчёт
отчёт в последнюю пятницу месяца | ? 11-27 09:00, 11-27 09:00 month-1 |
каждый второй вторник в 18:00 футбол | ? 12-01 18:00 fortnight, 12-08 18:00 fortnight, 12-08 18:00 month+2 |
каждый второй вторник месяца в 18:00 футбол | 12-08 18:00 month+2 | футбол
каждый первый понедельник оплатить интернет | 12-07 09:00 month+1 | оплатить интернет
каждый третий четверг клуб | ? 12-17 09:00 month+3 |
футбол каждый второй вторник | ? 12-01 09:00 fortnight, 12-08 09:00 fortnight, 12-08 09:00 month+2 |
раз в две недели по пятницам зарплата | ? 11-27 09:00 fortnight, 12-04 09:00 fortnight |
раз в две недели в пятницу в 18:00 зарплата | ? 11-27 18:00 fortnight, 12-04 18:00 fortnight |
каждые две недели в понедельник созвон | ? 11-30 09:00 fortnight, 12-07 09:00 fortnight |
через неделю по вторникам бассейн | - repeat |
раз в месяц оплатить счёт | - repeat |
каждый месяц в первый понедельник отчёт | 12-07 09:00 month+1 | отчёт
в первый понедельник каждого месяца в 10:00 отчёт | 12-07 10:00 month+1 | отчёт
второй вторник декабря встреча | 12-08 09:00 | встреча
через 2 недели в среду стоматолог | 12-09 09:00 | стоматолог
через две недели в среду в 10:00 стоматолог | 12-09 10:00 | стоматолог
через неделю в пятницу отчёт | 12-04 09:00 | отчёт
в пятницу через неделю отчёт | 12-04 09:00 | отчёт
через месяц в среду врач | ? 12-23 09:00, 12-30 09:00 |
через 3 дня в субботу врач | 11-28 09:00 | врач
через 3 дня в среду врач | - |
29 февраля праздник | 2028-02-29 09:00 | праздник
каждый год 29 февраля праздник | - repeat |
до пятницы сдать отчёт | ? 11-26 09:00, 11-27 09:00 |
сдать отчёт до пятницы | ? 11-26 09:00, 11-27 09:00 |
до 25 декабря купить подарки | ? 12-24 09:00, 12-25 09:00 |
к пятнице подготовить отчёт | 11-27 09:00 | подготовить отчёт
подготовить отчёт к пятнице | 11-27 09:00 | подготовить отчёт
до завтра сделать | ? 11-26 09:00 |
до конца недели сделать | - |
до следующей пятницы сделать | ? 11-26 09:00, 11-27 09:00 |
маме позвонить бы сегодня ближе к вечеру | ? 11-25 18:00 |
завтра ближе к вечеру заехать | ? 11-26 18:00 |
завтра к вечеру заехать | ? 11-26 18:00 |
завтра под вечер заехать | ? 11-26 18:00 |
завтра рано утром выезд | ? 11-26 07:00 |
завтра рано утром в 6 выезд | 11-26 06:00 | выезд
завтра в обед кафе | ? 11-26 13:00 |
завтра после обеда банк | ? 11-26 14:00 |
завтра до обеда банк | ? 11-26 11:00 |
завтра ближе к обеду банк | ? 11-26 13:00 |
в пятницу 13-го в полночь фильм | ? 2027-08-13 00:00, 2027-08-14 00:00 |
в пятницу 27-го в полночь фильм | ? 11-27 00:00, 11-28 00:00 |
в пятницу 27-го в 18:00 фильм | 11-27 18:00 | фильм
завтра | 11-26 09:00 |
в 9 | ? 11-25 21:00, 11-26 09:00 |
каждый раз в 9 утра поесть | - repeat |
каждый квартал 5 числа отчёт | - repeat |
отчёт каждый квартал 5 числа | - repeat |
проверить каждый заказ завтра в 10 | 11-26 10:00 | проверить каждый заказ
завтра в 10 обзвонить каждого клиента | 11-26 10:00 | обзвонить каждого клиента
каждую зарплату в 9 утра откладывать | - repeat |
каждое лето 5 июня отпуск | - repeat |
позавчера позвонить | - past |
в среду через неделю в 18:00 бассейн | 12-02 18:00 | бассейн
через 4 недели в понедельник утром осмотр | ? 12-21 09:00, 12-28 09:00 |
через неделю, в четверг, в 15:00 созвон | 12-03 15:00 | созвон
через год 1 июня отпуск | - |
ко вторнику прочитать главу | 12-01 09:00 | прочитать главу
к 1 декабря сдать табель | 12-01 09:00 | сдать табель
до 1 декабря сдать табель | ? 11-30 09:00, 12-01 09:00 |
до среды купить билеты | ? 12-01 09:00, 12-02 09:00 |
каждую вторую субботу месяца в 10 утра субботник | 12-12 10:00 month+2 | субботник
каждую последнюю среду в 19:00 клуб | 11-25 19:00 month-1 | клуб
третья пятница каждого месяца, 18:00, настолки | 12-18 18:00 month+3 | настолки
в четвертый четверг ноября в 12:00 индейка | 11-26 12:00 | индейка
каждый первый вторник месяца планёрка | 12-01 09:00 month+1 | планёрка
с пятницы каждый вечер в 9 таблетка | 11-27 21:00 day | таблетка
с 10 января по будням в 7:00 бег | 2027-01-11 07:00 01234 | бег
со среды по субботам уборка | 12-05 09:00 week | уборка
начиная с понедельника каждое утро медитация | 11-30 09:00 day | медитация
раз в 2 недели по средам в 20:00 английский | ? 11-25 20:00 fortnight, 12-02 20:00 fortnight |
раз в две недели во вторник с 1 декабря в 18:00 йога | 12-01 18:00 fortnight | йога
по вторникам раз в две недели йога | ? 12-01 09:00 fortnight, 12-08 09:00 fortnight |
через три четверти часа выходить | 11-25 12:45 | выходить
через полтора часа с четвертью выходить | 11-25 13:45 | выходить
через час с небольшим выходить | ? 11-25 13:00 |
через два с четвертью часа выходить | 11-25 14:15 | выходить
через час пять минут выходить | 11-25 13:05 | выходить
через 3 часа с половиной выходить | 11-25 15:30 | выходить
послезавтра к вечеру забрать заказ | ? 11-27 18:00 |
сегодня под вечер полить огород | ? 11-25 18:00 |
завтра пораньше с утра на рынок | ? 11-26 07:00 |
сегодня попозже вечером созвон | ? 11-25 22:00 |
завтра во второй половине дня банк | ? 11-26 14:00 |
завтра после работы бассейн | ? 11-26 19:00 |
в пятницу, но не эту, ужин | ? 11-27 09:00 |
каждое утро с 1 по 5 декабря таблетки | ? 11-26 09:00 day |
каждый первый и третий понедельник отчёт | - repeat |
"""

ENGLISH = """
in an hour and a quarter cake | 11-25 13:15 | cake
in two and a quarter hours cake | 11-25 14:15 | cake
in an hour and three quarters cake | 11-25 13:45 | cake
in three quarters of an hour cake | 11-25 12:45 | cake
in a quarter of an hour cake | 11-25 12:15 | cake
in an hour plus ten minutes tea | ? 11-25 13:00 |
in an hour or two tea | ? 11-25 13:00 |
in an hour minus five minutes tea | ? 11-25 13:00 |
from Monday run every morning | 11-30 09:00 day | run
from Monday on take pills at 9am | ? 11-30 09:00, 11-30 09:00 day |
starting Monday every day at 9am pills | 11-30 09:00 day | pills
every day at 9am from Monday pills | 11-30 09:00 day | pills
every day at 9am starting tomorrow pills | 11-26 09:00 day | pills
from next week run every morning | ? 11-26 09:00 day |
Monday to Friday at 9:00 standup | ? 11-26 09:00 01234 |
Mon-Fri 9:00 standup | ? 11-26 09:00 01234 |
every last friday pay the rent | 11-27 09:00 month-1 | pay the rent
every last friday of the month pay the rent | 11-27 09:00 month-1 | pay the rent
last friday of every month pay the rent | 11-27 09:00 month-1 | pay the rent
last friday of the month pay the rent | ? 11-27 09:00, 11-27 09:00 month-1 |
the last Friday of each month at 5pm beers | 11-27 17:00 month-1 | beers
every other Tuesday trash | ? 12-01 09:00 fortnight, 12-08 09:00 fortnight |
every other Tuesday at 8pm trash | ? 12-01 20:00 fortnight, 12-08 20:00 fortnight |
trash every other Tuesday | ? 12-01 09:00 fortnight, 12-08 09:00 fortnight |
every second Tuesday trash | ? 12-01 09:00 fortnight, 12-08 09:00 fortnight, 12-08 09:00 month+2 |
every 2nd Tuesday of the month trash | 12-08 09:00 month+2 | trash
every third Friday of the month book club | 12-18 09:00 month+3 | book club
every third Friday book club | ? 12-18 09:00 month+3 |
every fifth Friday book club | - repeat |
every 3 weeks on Monday trash | - repeat |
every two weeks on Friday at 5pm payday | ? 11-27 17:00 fortnight, 12-04 17:00 fortnight |
every 2 weeks payday | - repeat |
fortnightly on Monday at 9 review | ? 11-30 09:00 fortnight, 12-07 09:00 fortnight |
once a month pay the bill | - repeat |
first Monday of every month report | 12-07 09:00 month+1 | report
the first Monday of the month report | ? 12-07 09:00, 12-07 09:00 month+1 |
monthly on the first Monday report | 12-07 09:00 month+1 | report
every month on the first Monday at 10am report | 12-07 10:00 month+1 | report
on the first Monday of December at 10 meeting | 12-07 10:00 | meeting
in a fortnight bins | 12-09 12:00 | bins
in a fortnight's time bins | 12-09 12:00 | bins
a fortnight from now bins | 12-09 12:00 | bins
in two fortnights bins | 12-23 12:00 | bins
in two weeks on Wednesday dentist | 12-09 09:00 | dentist
in two weeks on Friday at 3pm dentist | 12-11 15:00 | dentist
a week on Friday drinks | 12-04 09:00 | drinks
a week from Friday drinks | 12-04 09:00 | drinks
two weeks from Monday at 9am drinks | 12-14 09:00 | drinks
29 Feb leap day party | 2028-02-29 09:00 | leap day party
before Friday submit the form | ? 11-26 09:00, 11-27 09:00 |
by Friday submit the form | 11-27 09:00 | submit the form
towards evening call mum | ? 11-25 18:00 |
tomorrow at lunchtime call | ? 11-26 13:00 |
late tonight lock up | ? 11-25 22:00 |
early tomorrow morning fishing | ? 11-26 09:00 |
Friday the 13th at noon film | ? 2027-08-13 12:00 |
in 10 mins | 11-25 12:10 |
noon | 11-26 12:00 |
every Monday | 11-30 09:00 week |
every full moon at 9pm howl | - repeat |
every payday at 9am transfer money | - repeat |
transfer money every payday at 9am | - repeat |
every summer on 5 June holiday | - repeat |
yesterday call mum | - past |
today at 9:00 am exercise | - past |
a fortnight today bins | ? 11-25 13:00 |
in a fortnight on Thursday at 6pm bins | 12-10 18:00 | bins
in 3 weeks on Friday morning check-up | 12-18 09:00 | check-up
in a week on Thursday, 3pm, call | 12-03 15:00 | call
on Friday in two weeks at noon lunch | 12-11 12:00 | lunch
by Tuesday read the chapter | 12-01 09:00 | read the chapter
by 1 December file the report | 12-01 09:00 | file the report
before 1 December file the report | ? 11-30 09:00, 12-01 09:00 |
until Friday keep the receipt | ? 11-26 09:00, 11-27 09:00 |
every second Saturday of the month at 10am clean-up | 12-12 10:00 month+2 | clean-up
every last Wednesday at 7pm club | 11-25 19:00 month-1 | club
the third Friday of each month at 6pm games | 12-18 18:00 month+3 | games
on the fourth Thursday of November at noon turkey | 11-26 12:00 | turkey
last Sunday of March clocks | 2027-03-28 09:00 | clocks
each first Tuesday of the month planning | 12-01 09:00 month+1 | planning
from Friday every evening at 9 pill | 11-27 21:00 day | pill
from 10 January on weekdays at 7:00 run | 2027-01-11 07:00 01234 | run
starting from Monday every morning meditate | 11-30 09:00 day | meditate
starting on Monday every weekday at 8:30 stretch | 11-30 08:30 01234 | stretch
as of tomorrow every day at 9am vitamins | 11-26 09:00 day | vitamins
every other week on Wednesday at 8pm English | ? 11-25 20:00 fortnight, 12-02 20:00 fortnight |
every other Tuesday from 1 December at 6pm yoga | 12-01 18:00 fortnight | yoga
every other Thursday starting 3 December yoga | 12-03 09:00 fortnight | yoga
every other day water the cactus | - repeat |
every three days water the cactus | - repeat |
every third day water the cactus | - repeat |
every second Sunday visit gran | ? 11-29 09:00 fortnight, 12-06 09:00 fortnight, 12-13 09:00 month+2 |
twice a day drops | - repeat |
once a month read the meter | - repeat |
every quarter change tyres | - repeat |
every month on the 31st report | - repeat |
in half an hour and a bit go | ? 11-25 12:30 |
in an hour and a bit go | ? 11-25 13:00 |
in an hour and five go | ? 11-25 13:00 |
in two hours and a quarter go | 11-25 14:15 | go
in one and a quarter hours go | 11-25 13:15 | go
in a quarter of an hour go | 11-25 12:15 | go
in three and a half hours go | 11-25 15:30 | go
tomorrow towards evening pick up | ? 11-26 18:00 |
early in the morning go fishing | ? 11-26 07:00 |
tomorrow after work pool | ? 11-26 19:00 |
tomorrow before lunch bank | ? 11-26 11:00 |
tomorrow after lunch bank | ? 11-26 14:00 |
late at night lock up | ? 11-25 22:00 |
on Saturday at night shift | 11-28 20:00 | shift
on Monday the 30th at 9:00 hand in | 11-30 09:00 | hand in
Friday the 13th film | ? 2027-08-13 09:00 |
Friday but not this one dinner | ? 11-27 09:00 |
every year on the last Friday of November sales | - repeat |
every 25 December gifts | 12-25 09:00 year | gifts
every morning from 1 to 5 December pills | ? 11-26 09:00 day |
"""


@table(("said", "expected", "rest"), [*phrases(RUSSIAN), *phrases(ENGLISH)])
def test_what_is_not_understood_wholly_is_asked_about_or_refused(said: str, expected: str, rest: str) -> None:
    reading = read(said, NOW)
    assert shown(reading) == expected
    assert not reading.sure or reading.text == rest


@table("said", [*(said for said, _, _ in [*phrases(RUSSIAN), *phrases(ENGLISH)])])
def test_what_repeats_is_never_made_a_single_date(said: str) -> None:
    repeats = said.split()[0] in ("every", "each", "каждый", "каждую", "каждое", "раз", "ежемесячно", "monthly")
    assert not repeats or all(when.repeat for when in read(said, NOW).times)


@table(
    ("repeat", "at", "after"),
    [
        ("fortnight", "2026-12-24 09:00", "2027-01-07 09:00"),
        ("month+1", "2026-12-07 09:00", "2027-01-04 09:00"),
        ("month-1", "2027-01-29 09:00", "2027-02-26 09:00"),
        ("month+4", "2026-11-25 09:00", "2026-12-23 09:00"),
    ],
)
def test_a_weekday_of_a_month_comes_again(repeat: str, at: str, after: str) -> None:
    before = datetime.fromisoformat(at).replace(tzinfo=NOW.tzinfo)
    assert f"{following(before, repeat):%Y-%m-%d %H:%M}" == after
