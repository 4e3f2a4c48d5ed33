"""Times as people write them, in two languages: understood as they are meant, or asked about.

The tables are texts, a line for each phrase: what is written, the time, with the repetition, and what to remind of. A
phrase that has to be asked about has "?" for its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.features.times.reading import Reading, When, following, read, read_day
from bot.features.times.sayings import shown_time
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


@table(
    ("said", "day"),
    [
        ("tomorrow", "2026-11-22"), ("завтра", "2026-11-22"), ("31.03.2027", "2027-03-31"), ("31 March", "2027-03-31"),
        ("31 марта 2027", "2027-03-31"), ("2027-03-31", "2027-03-31"), ("12.04.1961", "1961-04-12"),
        ("in two weeks", "2026-12-05"), ("5 pm", "None"), ("every monday", "None"), ("tomorrow or later", "None"),
        ("", "None"), ("2027-13-31", "None"),
    ],
)  # fmt: skip
def test_one_day_is_read_as_the_answer_to_a_question(said: str, day: str) -> None:
    assert str(read_day(said, NOW)) == day


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
каждый день в 9 утра до пятницы пить таблетки | ? |
every day at 9am until friday take antibiotics | ? |
every day at 9am till March 20 take pills | ? |
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
завтро в 9:00 спортзал | 11-22 09:00 | спортзал
послезавтро в 13:00 обед | 11-23 13:00 | обед
в понедельнк в 10 отчёт | 11-23 10:00 | отчёт
кажный вторник в 20:15 английский | 11-24 20:15 week | английский
черз 20 мин бельё | 11-21 12:20 | бельё
tommorow 8am invoice | 11-22 08:00 | invoice
thrusday 9:30 standup | 11-26 09:30 | standup
evry monday at 9am report | 11-23 09:00 week | report
steaks in 20 minuts | 11-21 12:20 | steaks
1h30m laundry | 11-21 13:30 | laundry
1ч 40мин курица | 11-21 13:40 | курица
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
tomorrow at quarter to nine in the morning school | 11-22 08:45 | school
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
tomorrow by noon or so send it | ? |
buy tickets for tomorrow | ? |
when I get home call mum | ? |
call mum | ? |
"""


MORE_PHRASES = """
Завтра В 7 Вечера КИНО | 11-22 19:00 | КИНО
завтра в семь вечера кино с Олей и детьми | 11-22 19:00 | кино с Олей и детьми
завтра к семи вечера быть на вокзале | 11-22 19:00 | быть на вокзале
завтра часов в 7 вечера позвонить | ? |
завтра ближе к вечеру заехать к родителям | ? |
завтра, в 19.00, родительское собрание | 11-22 19:00 | родительское собрание
завтра - 19:00 - собрание | 11-22 19:00 | собрание
завтра (в 10:00) сдать анализы | ? |
завтра 8 утра поезд | 11-22 08:00 | поезд
завтра с утра полить рассаду | 11-22 09:00 | полить рассаду
на завтра в 9 утра запись к врачу | 11-22 09:00 | запись к врачу
на завтра на 9 утра запись к врачу | ? |
пожалуйста, напомните мне завтра в 11:00 про вебинар | 11-22 11:00 | про вебинар
напомни через 15 минут проверить пирог | 11-21 12:15 | проверить пирог
напомни, пожалуйста, через час, что надо выйти | 11-21 13:00 | надо выйти
мне через двадцать минут снять с плиты суп | 11-21 12:20 | снять с плиты суп
через минуту моргнуть | 11-21 12:01 | моргнуть
через 45 сек снять чайник | 11-21 12:00 | снять чайник
через три часа сорок минут рейс | 11-21 15:40 | рейс
через час с половиной выключить стирку | 11-21 13:30 | выключить стирку
через часик глянуть почту | 11-21 13:00 | глянуть почту
через полторы недели сдать книгу | ? |
через полторы минуты яйца | 11-21 12:01 | яйца
минут через 15 перезвонить | 11-21 12:15 | перезвонить
дня через три спросить про ремонт | 11-24 12:00 | спросить про ремонт
через сутки снять пластырь | 11-22 12:00 | снять пластырь
спустя 2 часа проверить давление | 11-21 14:00 | проверить давление
ровно через 10 минут старт | ? |
через неделю в понедельник совещание | ? |
через неделю в 9:00 оплатить хостинг | 11-28 09:00 | оплатить хостинг
через 10 дней утром анализ крови | 12-01 09:00 | анализ крови
через 3 месяца поменять щётку | 2027-02-21 12:00 | поменять щётку
через 2 года обновить паспорт | 2028-11-21 12:00 | обновить паспорт
через дорогу купить молоко | ? |
в среду купить корм коту | 11-25 09:00 | купить корм коту
в эту среду купить корм | ? |
в ср в 14:30 маникюр | 11-25 14:30 | маникюр
вт 9:00 стендап | 11-24 09:00 | стендап
в пятницу после работы в бар | ? |
в пятницу ближе к обеду созвон | ? |
в пятницу, 27 ноября, в 18:00 корпоратив | 11-27 18:00 | корпоратив
в пятницу 28 ноября корпоратив | ? |
27 ноября, в пятницу, в 18:00 корпоратив | 11-27 18:00 | корпоратив
во вторник или в среду зайти в банк | ? |
в понедельник утром и вечером таблетка | ? |
в прошлую пятницу был дождь | ? |
в воскресенье в 12 пироги | 11-22 12:00 | пироги
в воскресенье с 12 до 14 пироги | ? |
в субботу дача | ? |
2 декабря день рождения Пети | 12-02 09:00 | день рождения Пети
день рождения Пети 2 декабря | 12-02 09:00 | день рождения Пети
поздравить Петю с днём рождения 2 декабря в 10 утра | 12-02 10:00 | поздравить Петю с днём рождения
08.03 в 9:00 цветы | 2027-03-08 09:00 | цветы
8 марта цветы | 2027-03-08 09:00 | цветы
8-го марта утром цветы | 2027-03-08 09:00 | цветы
первого января в полдень оливье | 2027-01-01 12:00 | оливье
тридцать первого декабря в 23:50 загадать желание | 12-31 23:50 | загадать желание
31 декабря в полночь салют | ? |
25 дек 18:00 ужин | 12-25 18:00 | ужин
25 декабря 2026 года в 18:00 ужин | 12-25 18:00 | ужин
25 декабря 2026 г. ужин | 12-25 09:00 | ужин
30 февраля отдать долг | ? |
10-го в 10 утра стрижка | 12-10 10:00 | стрижка
к 1 декабря сдать реферат | 12-01 09:00 | сдать реферат
до 1 декабря сдать реферат | ? |
в начале декабря купить подарки | ? |
в декабре купить подарки | ? |
летом съездить на море | ? |
каждый понедельник планёрка | 11-23 09:00 week | планёрка
каждую пятницу в 17:00 отчёт шефу | 11-27 17:00 week | отчёт шефу
каждые выходные звонить бабушке | 11-22 09:00 56 | звонить бабушке
каждый будний день в 7:15 подъём | 11-23 07:15 01234 | подъём
по рабочим дням в 18:00 заполнить табель | 11-23 18:00 01234 | заполнить табель
по пн, ср и пт в 7 утра бег | 11-23 07:00 024 | бег
по субботам и воскресеньям в 11 бассейн | 11-22 11:00 56 | бассейн
по вечерам в 10 читать | 11-21 22:00 day | читать
каждую ночь в 3 кормить малыша | 11-22 03:00 day | кормить малыша
каждый час вставать | ? |
каждые полчаса вставать | ? |
каждые 3 дня поливать кактус | ? |
каждую вторую пятницу зарплата | ? |
через раз по пятницам смена | ? |
два раза в день таблетки | ? |
по чётным дням поливать | ? |
1 числа каждого месяца показания воды | 12-01 09:00 month | показания воды
каждый месяц 31 числа отчёт | ? |
ежемесячно 10 числа в 12:00 аренда | 12-10 12:00 month | аренда
ежегодно 8 марта цветы маме | 2027-03-08 09:00 year | цветы маме
каждую неделю в пятницу в 16:00 пицца | 11-27 16:00 week | пицца
еженедельно по средам в 10:00 ретро | ? |
в 7 утра каждый день зарядка | 11-22 07:00 day | зарядка
зарядка в 7 утра каждый день | 11-22 07:00 day | зарядка
зарядка каждое утро в 7 | 11-22 07:00 day | зарядка
пить воду каждый день | 11-22 09:00 day | пить воду
оплатить интернет послезавтра | 11-23 09:00 | оплатить интернет
оплатить интернет, завтра в полдень | 11-22 12:00 | оплатить интернет
купить торт к завтрашнему дню | ? |
купить подарок до пятницы | ? |
купить билеты в кино на завтра на 19:00 | ? |
подготовиться к экзамену в среду в 9:00 | 11-25 09:00 | подготовиться к экзамену
позвонить в 9 утра в поликлинику | ? |
позвонить Саше не завтра, а послезавтра | ? |
созвон с Питером в 15:00 | 11-21 15:00 | созвон с Питером
созвон в 15:00 или 16:00 | ? |
обновить python 3.11 | ? |
скачать версию 10.12 | ? |
сделать 5 из 10 задач | ? |
вечерняя тренировка сегодня в 20:00 | 11-21 20:00 | вечерняя тренировка
сегодня вечером в 8 ужин | 11-21 20:00 | ужин
сегодня в 8 ужин | 11-21 20:00 | ужин
сегодня в 14 обед | 11-21 14:00 | обед
сегодня в 14 ч. обед | 11-21 14:00 | обед
сегодня через 3 часа обед | ? |
сегодня в 11 утра обед | ? |
сегодня ночью в 2 матч | 11-22 02:00 | матч
в 4 утра рейс | 11-22 04:00 | рейс
в час ночи рейс | 11-22 01:00 | рейс
завтра в час рейс | ? |
завтра в четверть восьмого утра звонок | 11-22 07:15 | звонок
завтра в десять минут восьмого вечера звонок | 11-22 19:10 | звонок
завтра без четверти девять утра школа | 11-22 08:45 | школа
завтра без пяти десять утра школа | 11-22 09:55 | школа
завтра в восемнадцать тридцать ужин | ? |
завтра в двенадцать ночи звонок | ? |
завтра ровно в 9:00 звонок | 11-22 09:00 | звонок
завтра примерно в 10 утра курьер | 11-22 10:00 | курьер
завтра около 10 утра курьер | 11-22 10:00 | курьер
завтра не раньше 10 утра курьер | ? |
завтра в 9 классе собрание | ? |
завтра в 12 кабинете собрание | ? |
в 2 словах объяснить | ? |
в 2027 году купить дом | ? |
завтра не забыть паспорт | 11-22 09:00 | не забыть паспорт
завтра 2 таблетки | ? |
😀 завтра в 9 чай | ? |
позвони маме зафтра в 9 | 11-22 09:00 | позвони маме
zavtra v 9 pozvonit | ? |
Tomorrow, 7 PM: dinner with Alex | 11-22 19:00 | dinner with Alex
TOMORROW AT 7PM DINNER | 11-22 19:00 | DINNER
tomorrow at 7 p.m. dinner | 11-22 19:00 | dinner
tomorrow 19:00 dinner | 11-22 19:00 | dinner
tomorrow at 1900 dinner | ? |
tomorrow at 19h dinner | 11-22 19:00 | dinner
tmrw 8am gym | 11-22 08:00 | gym
2moro 8am gym | ? |
please remind me tomorrow at 10 am to water the plants | 11-22 10:00 | water the plants
remind me in 15 minutes to check the oven | 11-21 12:15 | check the oven
remind me that the rent is due on December 1 | 12-01 09:00 | the rent is due
me about the rent on December 1st | 12-01 09:00 | about the rent
that I have a meeting tomorrow at 3pm | 11-22 15:00 | I have a meeting
set a reminder for tomorrow at 9 to call mum | ? |
for tomorrow at 9 call mum | 11-22 09:00 | call mum
at 7 tonight call Dad | 11-21 19:00 | call Dad
at seven tonight call Dad | 11-21 19:00 | call Dad
tonight at half past nine film | 11-21 21:30 | film
late tonight lock up | ? |
early tomorrow morning go fishing | ? |
first thing in the morning email Bob | ? |
this morning email Bob | ? |
at 12 lunch | 11-22 12:00 | lunch
at 12:30 lunch | 11-21 12:30 | lunch
at 12am new year | 11-22 00:00 | new year
tomorrow at 12am launch | ? |
at half seven dinner | ? |
tomorrow at ten past eight in the morning bus | 11-22 08:10 | bus
tomorrow at twenty to nine in the evening call | 11-22 20:40 | call
tomorrow at 8 o'clock in the morning bus | 11-22 08:00 | bus
tomorrow at 8 o'clock bus | ? |
in an hour or so tea | ? |
in about an hour tea | 11-21 13:00 | tea
in 10 tea | ? |
in ten minutes or twenty tea | ? |
in 3 hrs pick up kids | 11-21 15:00 | pick up kids
in 1 hr 30 mins pizza | 11-21 13:30 | pizza
in one hour and forty-five minutes pizza | 11-21 13:45 | pizza
in an hour and 5 minutes pizza | 11-21 13:05 | pizza
in half a year dentist | 2027-05-21 12:00 | dentist
in a fortnight bins | 12-05 12:00 | bins
in 36 hours take the test | 11-23 00:00 | take the test
in 10 days at noon test | 12-01 12:00 | test
after 20 minutes tea | 11-21 12:20 | tea
within an hour tea | ? |
a week from now call | 11-28 12:00 | call
a week from Monday call | 11-30 09:00 | call
3 days before Christmas buy gifts | ? |
Monday morning coffee with Tim | 11-23 09:00 | coffee with Tim
Monday 9-10 standup | ? |
Mon-Fri 9:00 standup | ? |
by Friday submit the form | 11-27 09:00 | submit the form
by 5pm submit the form | 11-21 17:00 | submit the form
before Friday submit the form | ? |
this Friday at 4pm beers | ? |
the coming Thursday at 3 pm call | 11-26 15:00 | call
coming Thursday at 3 pm call | 11-26 15:00 | call
next week on Wednesday at 11 review | 11-25 11:00 | review
next month pay tax | ? |
next year renew visa | ? |
on Friday, November 27, at 6pm party | 11-27 18:00 | party
on Saturday 27 November party | ? |
Nov 30, 2026 at 5pm deadline | 11-30 17:00 | deadline
30 Nov 17:00 deadline | 11-30 17:00 | deadline
November 30th deadline | 11-30 09:00 | deadline
the 30th of November at 5 pm deadline | 11-30 17:00 | deadline
on the twenty-fifth of December call gran | 12-25 09:00 | call gran
12/05 gift | ? |
12/05/2026 gift | 12-05 09:00 | gift
2026-12-05T18:30 concert | 12-05 18:30 | concert
2026-12-05 03:30 eclipse | 12-05 03:30 | eclipse
2026/12/05 gift | ? |
every Monday, Wednesday and Friday at 6am run | 11-23 06:00 024 | run
every Mon and Wed at 18:00 yoga | 11-23 18:00 02 | yoga
each Sunday at 10 church | 11-22 10:00 week | church
Sundays at 10 church | 11-22 10:00 week | church
weekdays at 7:45 school run | 11-23 07:45 01234 | school run
every weekend at noon brunch | 11-22 12:00 56 | brunch
every day at 7 in the morning pills | 11-22 07:00 day | pills
every hour stretch | ? |
every other Friday payday | ? |
every 2 weeks payday | ? |
every first Monday report | 12-07 09:00 month+1 | report
monthly on the 1st rent | 12-01 09:00 month | rent
every month on the 31st report | ? |
twice a day pills | ? |
daily standup at 10 | 11-22 10:00 day | standup
weekly report on Friday at 4pm | ? |
take out the trash every Thursday night | 11-26 20:00 week | take out the trash
water the plants every other day | ? |
water the plants on Sundays | 11-22 09:00 week | water the plants
stretch every morning at 7 | 11-22 07:00 day | stretch
meeting tomorrow 3-4pm | ? |
meeting from 3pm to 4pm tomorrow | ? |
dentist tomorrow at 14:30. | 11-22 14:30 | dentist
dentist appointment on Monday 9am | 11-23 09:00 | dentist appointment
send the May 5 report tomorrow at 9 | 11-22 09:00 | send the May 5 report
pack for tomorrow's trip at 8pm | 11-21 20:00 | pack for tomorrow's trip
buy 2 tickets tonight | 11-21 20:00 | buy 2 tickets
buy tickets for the 9:00 train | ? |
buy sun cream | ? |
call mum at the weekend | ? |
call mum not today but tomorrow | ? |
upgrade to python 3.12 | ? |
do 3/4 of the work | ? |
tomorrow or Monday call Jim | ? |
tomorrow no later than 10 call Jim | ? |
tomorrow when I wake up stretch | ? |
tomorrow 30 minutes of reading | ? |
tomorrow at 9 30 minutes of reading | ? |
tomorrow 9:00 30 minutes of reading | ? |
tomorrow 9:00 5 push-ups | 11-22 09:00 | 5 push-ups
at 25:00 call | ? |
at 13pm call | ? |
in -5 minutes call | ? |
call Jim in the evening tomorrow | 11-22 19:00 | call Jim
in the evening call Jim at 8 | 11-21 20:00 | call Jim
tomorrow at 7:30 dinner | ? |
tomorrow 7:30 breakfast | 11-22 07:30 | breakfast
завтра в 7:30 завтрак | 11-22 07:30 | завтрак
завтра в 8 бассейн | ? |
завтра в 22 часа звонок | 11-22 22:00 | звонок
завтра в 22:00 по Москве звонок | ? |
tomorrow at 10 am EST call | ? |
call tomorrow 9am PST | ? |
завтра в 9 и в 18 таблетки | ? |
завтра вечером в районе 8 позвонить | ? |
завтра во второй половине дня позвонить | ? |
завтра в обеденный перерыв зайти на почту | ? |
5 числа следующего месяца оплатить | ? |
on the 5th of next month pay | ? |
в позапрошлую среду | ? |
с понедельника бегать в 7 утра | ? |
на следующей неделе позвонить в 10 | ? |
3 раза в день по таблетке завтра | ? |
за 2 часа до вылета завтра в 9 | ? |
2 hours before the flight tomorrow at 9 | ? |
завтра в девять ноль пять подъём | ? |
завтра в 9 ровно подъём | 11-22 09:00 | подъём
завтра же в 9 позвонить | 11-22 09:00 | позвонить
паспорт!!! завтра в 9!!! | 11-22 09:00 | паспорт
завтра в 10-11 утра созвон | ? |
завтра в 10-00 созвон | 11-22 10:00 | созвон
рейс 10:40 завтра в 8 утра | ? |
код 12:34 завтра в 10 | ? |
завтра-послезавтра позвонить | ? |
каждый день кроме воскресенья в 8 подъём | ? |
по пятницам раз в две недели зарплата | ? |
завтра пол помыть | 11-22 09:00 | пол помыть
купить пол кило сыра завтра | 11-22 09:00 | купить пол кило сыра
8 марта 9 утра цветы | 2027-03-08 09:00 | цветы
01.01 0:00 салют | 2027-01-01 00:00 | салют
in 3 weeks' time call | 12-12 12:00 | call
in a week's time call | 11-28 12:00 | call
Monday the 23rd at 9am standup | 11-23 09:00 | standup
Tuesday 23rd at 9am standup | ? |
call mum tomorrow please | 11-22 09:00 | call mum please
23rd Nov 10:00 flight | 11-23 10:00 | flight
Sat 28 Nov 8pm concert | 11-28 20:00 | concert
8pm on the 28th concert | 11-28 20:00 | concert
Friday week drinks | ? |
10 minutes before 5pm tea | ? |
30 min tea | ? |
every Monday at 9 and Tuesday at 10 tea | ? |
Monday to Friday at 9 tea | ? |
every day except Sunday at 9 tea | ? |
call mum tomorrow between 9 and 10 | ? |
watch 24 tonight at 9 | ? |
enjoy the sun | ? |
"""


@table(("said", "at", "rest"), phrases(PHRASES))
def test_a_time_is_understood_as_it_is_meant_or_asked_about(said: str, at: str, rest: str) -> None:
    judge(said, at, rest)


@table(("said", "at", "rest"), phrases(MORE_PHRASES))
def test_people_write_in_their_own_ways(said: str, at: str, rest: str) -> None:
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
        ("вчера в 10 проснуться", "", ""),
        ("31 февраля в 10 праздник", "", ""),
        ("call Ann at 10 on 31 June", "", ""),
        ("watch the film of 1h30m", "21 13:30", "watch the film of 1h30m"),
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
        ("29 февраля праздник", "2026-11-23 12:00", "2028-02-29 09:00"),
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
    times += [
        When(monday, repeat) for repeat in ("day", "week", "02", "01234", "month", "year", "fortnight", "month+4")
    ]
    times.append(When(monday + timedelta(days=7), "month-1"))
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


def test_the_text_keeps_its_lines() -> None:
    assert read("завтра в 10:00\nкупить:\n- хлеб", NOW).text == "купить:\n- хлеб"


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
