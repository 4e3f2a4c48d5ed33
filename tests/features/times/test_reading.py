"""Times as people write them, in two languages: understood as they are meant, or asked about.

The tables are texts, a line for each phrase: what is written, the time, with the repetition, and what to remind of. A
phrase that has to be asked about has "?" for its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.features.reminders import shown_time
from bot.features.times.reading import Reading, When, following, read
from tests.support.table import table

MOSCOW = ZoneInfo("Europe/Moscow")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=MOSCOW)  # a Saturday


def phrases(lines: str) -> Iterator[tuple[str, str, str]]:
    """The phrases of a table, each with what is expected."""
    for line in lines.strip().splitlines():
        said, at, rest = (part.strip() for part in line.split("|"))
        yield said, at, rest


def judge(said: str, at: str, rest: str) -> None:
    reading = read(said, NOW)
    assert (shown(reading) if reading.sure else "?") == at
    assert not reading.sure or reading.text == rest


def shown(reading: Reading) -> str:
    (when,) = reading.times
    day = f"{when.at:%m-%d}" if when.at.year == NOW.year else f"{when.at:%Y-%m-%d}"
    return f"{day} {when.at:%H:%M} {when.repeat}".strip()


PHRASES = """
завтра в 7 вечера кино | 11-22 19:00 | кино
завтра в 7 утра пробежка | 11-22 07:00 | пробежка
завтра утром пробежка | 11-22 09:00 | пробежка
завтра вечером кино | 11-22 19:00 | кино
сегодня вечером позвонить Ане | 11-21 19:00 | позвонить Ане
сегодня в 9 вечера созвон | 11-21 21:00 | созвон
сегодня в 3 часа дня обед с Катей | 11-21 15:00 | обед с Катей
завтра днём забрать посылку | 11-22 14:00 | забрать посылку
завтра в час дня стоматолог | 11-22 13:00 | стоматолог
завтра в 12 дня встреча | 11-22 12:00 | встреча
завтра в 2 часа дня педсовет | 11-22 14:00 | педсовет
послезавтра в 10 утра врач | 11-23 10:00 | врач
послезавтра вечером баня | 11-23 19:00 | баня
вечером полить цветы | 11-21 19:00 | полить цветы
утром вынести мусор | 11-22 09:00 | вынести мусор
в 8 вечера сериал | 11-21 20:00 | сериал
к 9 вечера доделать отчёт | 11-21 21:00 | доделать отчёт
в 23:30 лечь спать | 11-21 23:30 | лечь спать
в 9.30 вечера закрыть окна | 11-21 21:30 | закрыть окна
в 18-30 забрать детей | 11-21 18:30 | забрать детей
через час выключить духовку | 11-21 13:00 | выключить духовку
через полчаса перезвонить | 11-21 12:30 | перезвонить
через полтора часа достать пирог | 11-21 13:30 | достать пирог
через 2 часа 30 минут чай | 11-21 14:30 | чай
через 2 часа и 15 минут выйти | 11-21 14:15 | выйти
через час и двадцать минут чайник | 11-21 13:20 | чайник
через два с половиной часа таблетка | 11-21 14:30 | таблетка
через 1,5 часа снять бельё | 11-21 13:30 | снять бельё
через 90 минут перерыв | 11-21 13:30 | перерыв
через 5 мин снять суп | 11-21 12:05 | снять суп
через двадцать пять минут выйти | 11-21 12:25 | выйти
через пару часов проверить почту | 11-21 14:00 | проверить почту
через три дня заплатить за интернет | 11-24 12:00 | заплатить за интернет
через 3 дня в 10 утра заплатить | 11-24 10:00 | заплатить
через неделю вечером позвонить Лене | 11-28 19:00 | позвонить Лене
через две недели продлить книги | 12-05 12:00 | продлить книги
через месяц поменять фильтр | 12-21 12:00 | поменять фильтр
через полгода к стоматологу | 2027-05-21 12:00 | к стоматологу
через год продлить домен | 2027-11-21 12:00 | продлить домен
через 2ч 15м выключить | 11-21 14:15 | выключить
в понедельник в 9 планёрка | 11-23 09:00 | планёрка
в пятницу в 10 утра врач | 11-27 10:00 | врач
в пятницу вечером бассейн | 11-27 19:00 | бассейн
во вторник утром анализы | 11-24 09:00 | анализы
в среду в 19:00 репетиция | 11-25 19:00 | репетиция
в следующую пятницу в 18:00 ужин | 11-27 18:00 | ужин
в следующий понедельник сдать отчёт | 11-23 09:00 | сдать отчёт
в ближайший четверг в 15:00 созвон | 11-26 15:00 | созвон
пт 18:00 театр | 11-27 18:00 | театр
в воскресенье в 11 часов утра бранч | 11-22 11:00 | бранч
на следующей неделе во вторник в 14:00 осмотр | 11-24 14:00 | осмотр
25 декабря в 10 ёлка | 12-25 10:00 | ёлка
25 декабря в 7 вечера ёлка | 12-25 19:00 | ёлка
31 декабря в 23:55 шампанское | 12-31 23:55 | шампанское
5-го декабря в 12:00 собрание | 12-05 12:00 | собрание
1 января поздравить всех | 2027-01-01 09:00 | поздравить всех
пятого декабря в обед кафе | ? |
двадцать пятого декабря вечером гости | 12-25 19:00 | гости
25.12 в 18:00 ужин | 12-25 18:00 | ужин
25.12.2026 в 18:00 ужин | 12-25 18:00 | ужин
30 числа в 10:00 показания счётчиков | 11-30 10:00 | показания счётчиков
5 числа заплатить за квартиру | 12-05 09:00 | заплатить за квартиру
по понедельникам в 9:00 планёрка | 11-23 09:00 week | планёрка
по понедельникам и четвергам в 19:00 бассейн | 11-23 19:00 03 | бассейн
по вторникам вечером йога | 11-24 19:00 week | йога
по будням в 8:30 зарядка | 11-23 08:30 01234 | зарядка
по выходным в 10 утра пробежка | 11-22 10:00 56 | пробежка
каждый день в 8 утра витамины | 11-22 08:00 day | витамины
каждый день в 10 вечера дневник | 11-21 22:00 day | дневник
ежедневно в 21:00 таблетки | 11-21 21:00 day | таблетки
каждое утро зарядка | 11-22 09:00 day | зарядка
каждый вечер в 9 сказка | 11-21 21:00 day | сказка
по утрам в 7 пробежка | 11-22 07:00 day | пробежка
каждую среду в 18:30 английский | 11-25 18:30 week | английский
каждый понедельник и среду в 7 вечера танцы | 11-23 19:00 02 | танцы
каждое 5 число оплатить кредит | 12-05 09:00 month | оплатить кредит
каждый месяц 25 числа в 12:00 аванс | 11-25 12:00 month | аванс
каждый год 25 декабря поздравить тётю | 12-25 09:00 year | поздравить тётю
позвонить маме завтра в 9 | 11-22 09:00 | позвонить маме
позвонить маме завтра в 7 вечера | 11-22 19:00 | позвонить маме
купить хлеб через час | 11-21 13:00 | купить хлеб
купить хлеб сегодня вечером | 11-21 19:00 | купить хлеб
сдать отчёт в пятницу в 18:00 | 11-27 18:00 | сдать отчёт
оплатить счёт 25 декабря | 12-25 09:00 | оплатить счёт
принять таблетки каждый день в 8 утра | 11-22 08:00 day | принять таблетки
планёрка по понедельникам в 9:00 | 11-23 09:00 week | планёрка
забрать ребёнка через полтора часа | 11-21 13:30 | забрать ребёнка
завтра позвонить маме в 9 | 11-22 09:00 | позвонить маме
завтра сходить в банк в 3 часа дня | 11-22 15:00 | сходить в банк
мне завтра в 9 позвонить маме | 11-22 09:00 | позвонить маме
напомни мне завтра в 9:00 позвонить маме | 11-22 09:00 | позвонить маме
напомни завтра в 10 утра, что нужно оплатить счёт | 11-22 10:00 | нужно оплатить счёт
о том, что завтра в 10 собрание | 11-22 10:00 | собрание
в полдень покормить кота | 11-22 12:00 | покормить кота
в полночь загадать желание | 11-22 00:00 | загадать желание
завтра в половине восьмого вечера театр | 11-22 19:30 | театр
завтра в полвосьмого утра выезд | 11-22 07:30 | выезд
без пятнадцати восемь вечера выйти | 11-21 19:45 | выйти
завтра в восемь утра поезд | 11-22 08:00 | поезд
завтра в девять тридцать утра лекция | 11-22 09:30 | лекция
завтра в 5 встреча | ? |
в 9 выйти | ? |
завтра в 3 к врачу | ? |
сегодня ночью посмотреть метеоры | ? |
завтра рано утром выезд | ? |
завтра после обеда позвонить в банк | ? |
в выходные убраться | ? |
на следующей неделе позвонить брату | ? |
через 2-3 дня проверить | ? |
через несколько минут чай | ? |
через день полить цветы | ? |
каждые 2 часа пить воду | ? |
раз в неделю звонить бабушке | ? |
в конце месяца отчёт | ? |
завтра в 9 30 созвон | ? |
сегодня в 9:00 зарядка | ? |
вчера позвонить маме | ? |
с 10 до 12 завтра уборка | ? |
завтра до 9 утра отправить письмо | ? |
купить билеты на завтра | ? |
после работы зайти в аптеку | ? |
позвонить маме | ? |
tomorrow at 7 in the evening cinema | 11-22 19:00 | cinema
tomorrow at 7 pm cinema | 11-22 19:00 | cinema
tomorrow at 7am run | 11-22 07:00 | run
tomorrow evening cinema | 11-22 19:00 | cinema
tomorrow morning take out the bins | 11-22 09:00 | take out the bins
tomorrow afternoon pick up the parcel | 11-22 14:00 | pick up the parcel
tonight watch the game | 11-21 20:00 | watch the game
tonight at 9 lock the door | 11-21 21:00 | lock the door
this evening call Ann | 11-21 19:00 | call Ann
this afternoon at 3 send the invoice | 11-21 15:00 | send the invoice
in the evening water the plants | 11-21 19:00 | water the plants
at 8 in the evening series | 11-21 20:00 | series
at half past seven in the evening dinner | 11-21 19:30 | dinner
tomorrow at quarter to nine leave for school | 11-22 08:45 | leave for school
at noon feed the cat | 11-22 12:00 | feed the cat
tomorrow at noon lunch with Bob | 11-22 12:00 | lunch with Bob
at midnight make a wish | 11-22 00:00 | make a wish
at 5 pm stand up | 11-21 17:00 | stand up
5:45pm bus | 11-21 17:45 | bus
in an hour turn off the oven | 11-21 13:00 | turn off the oven
in half an hour call back | 11-21 12:30 | call back
in an hour and a half take out the cake | 11-21 13:30 | take out the cake
in 2 hours and 30 minutes tea | 11-21 14:30 | tea
in 1 hour 15 minutes leave | 11-21 13:15 | leave
in two and a half hours pill | 11-21 14:30 | pill
in 1.5 hours laundry | 11-21 13:30 | laundry
in 90 minutes break | 11-21 13:30 | break
in 5 min soup | 11-21 12:05 | soup
in 2h30m check the build | 11-21 14:30 | check the build
in twenty minutes go | 11-21 12:20 | go
in a couple of hours check mail | 11-21 14:00 | check mail
two hours from now call Tom | 11-21 14:00 | call Tom
in three days pay the bill | 11-24 12:00 | pay the bill
in 3 days at 10am pay the bill | 11-24 10:00 | pay the bill
in a week call Lena | 11-28 12:00 | call Lena
in two weeks return the books | 12-05 12:00 | return the books
in a month change the filter | 12-21 12:00 | change the filter
in 6 months dentist | 2027-05-21 12:00 | dentist
in a year renew the domain | 2027-11-21 12:00 | renew the domain
the day after tomorrow at 10 doctor | 11-23 10:00 | doctor
on Monday at 9 team meeting | 11-23 09:00 | team meeting
Friday at 10 in the morning doctor | 11-27 10:00 | doctor
Friday night pool | 11-27 20:00 | pool
next Friday at 6pm dinner | 11-27 18:00 | dinner
next Tuesday morning blood test | 11-24 09:00 | blood test
on Wednesday evening rehearsal | 11-25 19:00 | rehearsal
Tuesday next week at 2pm check-up | 11-24 14:00 | check-up
fri 18:00 theatre | 11-27 18:00 | theatre
Dec 25 at 10 tree | 12-25 10:00 | tree
December 25th at 7 in the evening tree | 12-25 19:00 | tree
on the 25th of December open presents | 12-25 09:00 | open presents
25 December 18:00 dinner | 12-25 18:00 | dinner
Jan 1 call everybody | 2027-01-01 09:00 | call everybody
on the 5th pay rent | 12-05 09:00 | pay rent
on the 30th at 10am read the meter | 11-30 10:00 | read the meter
12/25 gifts | 12-25 09:00 | gifts
2026-12-05 18:30 concert | 12-05 18:30 | concert
on Mondays at 9 planning | 11-23 09:00 week | planning
on Mondays and Thursdays at 7pm pool | 11-23 19:00 03 | pool
every Tuesday evening yoga | 11-24 19:00 week | yoga
every weekday at 8:30 exercise | 11-23 08:30 01234 | exercise
on weekends at 10am run | 11-22 10:00 56 | run
every day at 8 am vitamins | 11-22 08:00 day | vitamins
daily at 21:00 pills | 11-21 21:00 day | pills
every morning exercise | 11-22 09:00 day | exercise
every night at 10 diary | 11-21 22:00 day | diary
every evening at 9 bedtime story | 11-21 21:00 day | bedtime story
every month on the 5th pay the loan | 12-05 09:00 month | pay the loan
every year on 25 December call aunt Vera | 12-25 09:00 year | call aunt Vera
call mum tomorrow 9:00 | 11-22 09:00 | call mum
call mum tomorrow at 7 in the evening | 11-22 19:00 | call mum
buy bread in an hour | 11-21 13:00 | buy bread
buy bread tonight | 11-21 20:00 | buy bread
submit the report on Friday at 6pm | 11-27 18:00 | submit the report
pay the bill on December 25 | 12-25 09:00 | pay the bill
take the pills every day at 8am | 11-22 08:00 day | take the pills
tomorrow call mum at 9 | 11-22 09:00 | call mum
me tomorrow at 9 to call mum | 11-22 09:00 | call mum
me to call mum tomorrow at 9 | 11-22 09:00 | call mum
remind me to call mum in 20 minutes | 11-21 12:20 | call mum
to buy milk this evening | 11-21 19:00 | buy milk
tomorrow at nine to call the bank | 11-22 09:00 | call the bank
tomorrow at eight thirty am standup | 11-22 08:30 | standup
tomorrow at 5 meeting | ? |
at 9 leave | ? |
tomorrow at 3 dentist | ? |
tomorrow early morning leave | ? |
tomorrow after lunch call the bank | ? |
this weekend clean up | ? |
next week call my brother | ? |
in 2-3 days check | ? |
in a few minutes tea | ? |
every 2 hours drink water | ? |
once a week call grandma | ? |
every other day water the plants | ? |
at the end of the month report | ? |
tomorrow at 9 30 call | ? |
today at 9:00 am exercise | ? |
yesterday call mum | ? |
tomorrow from 10 to 12 cleaning | ? |
tomorrow by noon or so send it | 11-22 12:00 | or so send it
buy tickets for tomorrow | ? |
when I get home call mum | ? |
call mum | ? |
"""


@table(("said", "at", "rest"), phrases(PHRASES))
def test_a_time_is_understood_as_it_is_meant_or_asked_about(said: str, at: str, rest: str) -> None:
    judge(said, at, rest)


@table(
    ("said", "times", "rest"),
    [
        ("завтра в 5 встреча", "22 05:00, 22 17:00", "встреча"),
        ("at 9 leave", "21 21:00, 22 09:00", "leave"),
        ("today at 9 leave", "21 21:00", "leave"),
        ("saturday 18:00 party", "21 18:00, 28 18:00", "party"),
        ("завтра в полночь салют", "22 00:00, 23 00:00", "салют"),
        ("завтра на работе в 10 совещание", "22 09:00, 22 10:00", "на работе в 10 совещание"),
        ("в 18:00 собрать вещи завтра", "21 18:00, 22 18:00", "собрать вещи завтра"),
        ("позвонить завтра в 9 маме", "22 09:00", "позвонить завтра в 9 маме"),
        ("купить билеты на пятницу", "27 09:00", "купить билеты на пятницу"),
        ("5/12 gift", "05 09:00, 12 09:00", "gift"),
        ("call mum", "", ""),
        ("in a while", "", ""),
        ("at 25:00 x", "", ""),
        ("31.2 x", "", ""),
        ("2020-01-01 x", "", "x"),
        ("in 0 minutes", "", ""),
        ("today 9:00 x", "", "x"),
        ("in 9999 weeks x", "", "x"),
        ("in 9999 years x", "", "x"),
        ("march", "", ""),
        ("montag x", "", ""),
        ("", "", ""),
    ],
)
def test_what_may_mean_two_things_is_offered_and_what_means_nothing_is_not(said: str, times: str, rest: str) -> None:
    reading = read(said, NOW)
    assert ", ".join(f"{when.at:%d %H:%M}" for when in reading.times) == times
    assert reading.text == rest
    assert reading.sure is (said == "today at 9 leave")


@table(
    ("said", "now", "at"),
    [
        ("at 9 leave", "2026-11-23 08:00", "11-23 09:00"),
        ("at 9 leave", "2026-11-23 22:00", "11-24 09:00"),
        ("вечером позвонить", "2026-11-23 20:00", "?"),
        ("вечером позвонить", "2026-11-23 00:30", "11-23 19:00"),
        ("сегодня вечером позвонить", "2026-11-23 20:30", "11-23 21:30"),
        ("сегодня позвонить", "2026-11-23 23:30", "?"),
        ("next friday pay", "2026-11-23 12:00", "?"),
        ("в следующую пятницу врач", "2026-11-23 12:00", "?"),
        ("в эту пятницу врач", "2026-11-23 12:00", "11-27 09:00"),
        ("on Friday next week pay", "2026-11-23 12:00", "12-04 09:00"),
        ("в понедельник в 18:00 врач", "2026-11-23 12:00", "?"),
        ("в понедельник в 9:00 врач", "2026-11-23 12:00", "11-30 09:00"),
        ("on the 23rd at 18:00 pay", "2026-11-23 12:00", "?"),
        ("in a month pay", "2026-08-31 12:00", "09-30 12:00"),
        ("29 февраля праздник", "2026-11-23 12:00", "?"),
        ("31 числа отчёт", "2026-11-23 12:00", "12-31 09:00"),
        ("по будням в 9:00 работа", "2026-11-20 12:00", "11-23 09:00 01234"),
        ("сегодня в полночь салют", "2026-12-31 20:00", "2027-01-01 00:00"),
    ],
)
def test_what_is_meant_depends_on_the_moment(said: str, now: str, at: str) -> None:
    reading = read(said, datetime.fromisoformat(now).replace(tzinfo=MOSCOW))
    assert (shown(reading) if reading.sure else "?") == at


@table("language", ["en", "ru"])
def test_the_bot_understands_its_own_words(language: str) -> None:
    times = [When(NOW + timedelta(days=days, hours=9)) for days in (0, 1, 2, 9, 40, 400)]
    monday = NOW + timedelta(days=2, hours=9)
    times += [When(monday, repeat) for repeat in ("day", "week", "02", "01234", "month", "year")]
    for when in times:
        for near in (True, False):
            words = shown_time(language, when, NOW, near=near)
            expected = When(NOW + timedelta(hours=9), "day") if when.repeat == "day" else when
            assert read(f"{words} tea", NOW) == Reading([expected], "tea", sure=True), words


def test_nine_stays_nine_when_the_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2027, 3, 27, 9, 0, tzinfo=berlin)
    after = following(before, "day")
    assert f"{after:%d %H:%M}" == "28 09:00"
    assert after.timestamp() - before.timestamp() == 23 * 3600
    (gap,) = read("tomorrow 2:30 x", datetime(2027, 3, 27, 12, 0, tzinfo=berlin)).times[:1]
    assert f"{gap.at:%d %H:%M}" == "28 03:30"
    assert following(before, "week") - before == timedelta(days=7)


@table(
    ("repeat", "at", "after"),
    [
        ("day", "2026-12-31 09:00", "2027-01-01 09:00"),
        ("week", "2026-11-23 09:00", "2026-11-30 09:00"),
        ("01234", "2026-11-27 09:00", "2026-11-30 09:00"),
        ("56", "2026-11-22 09:00", "2026-11-28 09:00"),
        ("02", "2026-11-23 09:00", "2026-11-25 09:00"),
        ("month", "2026-12-28 09:00", "2027-01-28 09:00"),
        ("year", "2026-12-25 09:00", "2027-12-25 09:00"),
    ],
)
def test_a_repeated_time_comes_again_on_its_days(repeat: str, at: str, after: str) -> None:
    before = datetime.fromisoformat(at).replace(tzinfo=MOSCOW)
    assert f"{following(before, repeat):%Y-%m-%d %H:%M}" == after
