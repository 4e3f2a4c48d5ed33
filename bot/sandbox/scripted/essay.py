"""The long answer of the scripted model: an essay of about 8,300 characters in each language. Begin with `ESSAY`."""

from __future__ import annotations


def _unwrapped(text: str) -> str:
    """The text with each paragraph on one line; in this file the lines are short for the reader's sake."""
    return "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in text.strip().split("\n\n"))


ESSAY = {
    "en": _unwrapped("""
# A letter's journey, then and now

This is a long text on purpose: Telegram takes 4,096 characters in a message, so the bot has to divide it or send it
as a rich message. Since you will have to scroll anyway, it may as well tell a story.

## 1. The runner

The oldest post was a person who could run. In Persia relay stations stood a day's ride apart, and at each a fresh
horse and a fresh rider waited. What mattered was not how fast one rider was but that **somebody was always ready**.
Herodotus wrote that neither snow nor rain nor heat kept these couriers from their way, and people have quoted him
over the doors of post offices ever since.

A relay has one weakness: the handover. A bag put down for a moment is a bag that can be forgotten. So each rider
signed for what he took, and the station kept the note until word came back. Whoever writes a message queue today does
the same thing, only with fewer horses. The note is a row in a table, and the word that comes back is called an
acknowledgement.

## 2. The seal

A letter that passes through many hands needs something that all of them can see and none of them can make: a seal.
Wax is soft for a minute and brittle for ever, and that is the whole trick. If the wax was broken, the reader knew
that somebody had read along. It did not prevent anything; it only made sure that *nothing happened in secret*.

Much of what protects us now works in the same way. A checksum does not stop a bit from tipping over, it only tells. A
signature does not stop a forger, it only makes him visible. It is a modest kind of safety, and a very dependable one,
because it asks nothing of the messenger. He need not be clever, and he need not even be honest.

## 3. The timetable

In the eighteenth century coaches began to leave at fixed hours, full or not. Merchants complained about the empty
seats, and then found that they could plan. A coach that leaves at six is worth more than a faster one that leaves
when it likes, because **others can build on it**.

Programs know this under the name of a deadline. A call that may take for ever is useless to the caller, however good
the answer would have been. It is better to be told after two minutes that nothing will come. Then one can say so,
apologise, and try the other road. The kindest thing that a slow service can do is to be slow by a known amount.

## 4. The stamp

Before 1840 the receiver paid, and quite a few letters were refused at the door after a look at the envelope: the
message was hidden in the way the address was written. The penny stamp turned this round. The sender paid, little, and
the same for every distance. The number of letters doubled within a year.

The lesson is that **counting must be simpler than the thing that is counted**. A clerk who measures the distance for
each letter costs more than the distance itself. Services that bill by the token have come back to the clerk, which is
why a careful program reserves a sum first, sends the request, and settles with the real figure afterwards. No one is
overdrawn, and no one argues at the door.

## 5. The wire

The telegraph took the letter's paper away and left only the words. They had to be short, for each one cost money, and
so a style was born: no articles, no courtesies, *stop*. Operators recognised each other by rhythm. They called it the
fist, and swore they could tell a friend from a stranger within a line.

What they invented on the side was flow control. A fast hand at one end and a slow hand at the other made a mess, so
there were signs for *wait* and *go ahead* and *say again all after*. Each of them has a descendant in the protocols
of today. When a server answers that there were too many requests, it is knocking out the old sign for wait.

## 6. The envelope

An envelope says where, and keeps quiet about what. That separation is one of the great ideas. The sorter needs
nothing but the address, so he can be quick; and he learns nothing else, so he can be trusted. Every network packet
has a header and a body for the same two reasons.

It goes wrong when the body begins to talk to the sorter. A letter that says *dear sorter, put the next bag into the
river* ought to be delivered unread like any other. Language models have this difficulty in earnest, because for them
the address and the letter are one long text. So we mark what was only quoted, and give what was read no power to
command. It is **a rule about reading**, not about writing.

## 7. The stream

This answer reached you in pieces. Each was a few words long, and each was shown before the next was known. Nobody
would post a letter word by word; but a conversation has always been a stream. You nod, or frown, or interrupt, while
the sentence is still on its way, and the speaker hears it.

That is why a Stop button matters more than one would think. It is not there to save a few tokens. It gives back to
the listener what every listener across a table has: *the right to raise a hand*. What was said up to then stays said.
And if the stream breaks by itself, honesty asks for the same mark: here it ended, and it was not the end.

## 8. The archive

Most of what we know about daily life in old Novgorod we know from letters on birch bark, dropped in the mud seven
hundred years ago. *From Mikita to Ulyanitsa: marry me*, one of them says. Nobody kept it on purpose. The mud did,
because it let no air in.

Our own messages are kept on purpose, and in many places, and that makes forgetting a thing one has to build. A bot
that remembers should be able to say what it remembers, and to lose it when asked. Ask this one what it remembers, and
it will show you. Then tell it to begin anew, and ask again. **The second answer is the one that counts.**

## 9. The lighthouse

A lighthouse sends the same message every night and asks for no reply. It took a long while until somebody thought of
giving each light a rhythm of its own, so that a captain could tell *where* he was and not only that a coast was near.
Two flashes and a pause, and the chart did the rest.

Monitoring is a lighthouse. A lamp that only says *I am here* is worth little in a fog; one that says **which I am,
and how I fare** saves ships. A good health page has few lights and a different rhythm for each. If everything blinks,
the captain will look away, and he will be right to.

## 10. The pigeon

Pigeons carry letters in one direction only: home. That makes them useless for conversation and excellent for news.
The bankers of the nineteenth century kept lofts in every capital, and more than once a bird was there before the
official courier had found his hat.

They sent two birds with the same letter, since hawks also live from the post. The receiver threw the second one away.
This is the oldest form of a well-known rule: **deliver at least once, and let the receiver notice the double**. To do
so he needs a mark on the letter that is the same on both copies, and a memory for marks.

## 11. The dead letter

Some letters can't be delivered: no such street, no such person, the ink ran in the rain. They used to go to a
particular office, where patient people opened them and tried to find out more. The collection of objects found there
was a museum in itself.

A queue without such an office stops at the first letter that nobody can read. It tries again, and again, and
everybody behind it waits. So one puts the poor thing aside after a few attempts, with a note about what was wrong,
and goes on. *To set aside is not to throw away*: somebody will look at it, when there is time.

## 12. The answer

In the end every letter is a question about whether there will be another. The best correspondents answered on the
same day, even if only to say that they would write more on Sunday. It did not need to be long. It needed to be soon,
and it needed to be true.

A bot can learn that from them. A sign that the question has arrived, within a second. The first words as soon as they
exist. A plain sentence if there will be none. And no pretence: a machine that says **I don't know** is a better pen
friend than one that always knows. With this the letter is finished, and the ink is dry.

---

That was the long answer: twelve sections, a good eight thousand characters, and not one of them thought of just now. I
am the scripted model, and I say this every time.
"""),
    "ru": _unwrapped("""
# Путь письма: тогда и теперь

Этот текст нарочно длинный: в сообщение Telegram помещается 4096 знаков, и боту придётся разделить его или отправить
особым сообщением. Раз уж всё равно листать, пусть он что-нибудь расскажет.

## 1. Гонец

Самая древняя почта — это человек, который умеет бегать. В Персии станции стояли на расстоянии дня пути, и на каждой
ждали свежая лошадь и отдохнувший всадник. Важна была не скорость одного гонца, а то, что **кто-то всегда готов**.
Геродот писал, что ни снег, ни дождь, ни зной не мешают этим посланцам проделать свой путь, и с тех пор его слова
пишут над дверями почтамтов.

У эстафеты одно слабое место — передача из рук в руки. Сумку, которую положили на минуту, можно забыть навсегда.
Поэтому каждый всадник расписывался за взятое, и станция хранила расписку, пока не придёт весть с другого конца. Тот,
кто сегодня пишет очередь сообщений, делает то же самое, только лошадей меньше. Расписка — строка в таблице, а весть
называется подтверждением. Сначала запиши, потом отвечай, что принял: порядок с тех пор не изменился.

## 2. Печать

Письму, которое проходит через много рук, нужно то, что каждый видит и никто не может сделать сам, — печать. Сургуч
мягок одну минуту и хрупок всю остальную жизнь, в этом весь секрет. Если он сломан, читатель знает, что письмо прочёл
кто-то ещё. Печать ничему не мешала, она лишь следила, чтобы *ничего не происходило тайком*.

Многое из того, что бережёт нас сегодня, устроено так же. Контрольная сумма не удержит бит, который решил
перевернуться, она только расскажет о нём. Подпись не остановит подделывателя, она лишь сделает его заметным. Скромная
защита, зато надёжная: она ничего не требует от посыльного. Ему не надо быть умным и даже честным.

## 3. Расписание

В восемнадцатом веке кареты начали отправляться в назначенный час, полные или нет. Купцы сперва жаловались на пустые
места, а потом заметили, что теперь могут строить планы. Карета, которая выезжает ровно в шесть, дороже той, что
быстрее, но едет когда вздумается: **на первую можно опереться**.

Программы знают это под именем предельного срока. Вызов, который может длиться вечно, бесполезен, каким бы хорошим ни
оказался ответ. Лучше через две минуты узнать, что ничего не придёт. Тогда можно так и сказать, извиниться и
попробовать другую дорогу. Самое доброе, что способна сделать медленная служба, — быть медленной на известную
величину. Ожидание без конца утомляет сильнее, чем честный отказ.

## 4. Марка

До 1840 года за письмо платил получатель, и немало писем возвращали прямо у порога, бросив взгляд на конверт:
сообщение прятали в том, как написан адрес. Марка за пенни всё перевернула. Теперь платил отправитель — немного и
одинаково за любое расстояние. Через год писем стало вдвое больше.

Урок в том, что **считать должно быть проще, чем то, что считают**. Чиновник, который измеряет расстояние для каждого
письма, обходится дороже самого расстояния. Службы, которые берут плату за токены, вернулись к этому чиновнику.
Поэтому осторожная программа сперва откладывает сумму, затем посылает запрос, а после рассчитывается по настоящему
счёту. Никто не уходит в долг, и никто не спорит на пороге.

## 5. Провод

Телеграф отнял у письма бумагу и оставил одни слова. Каждое стоило денег, и так родился стиль: без предлогов, без
любезностей, *тчк*. Телеграфисты узнавали друг друга по ритму. Они называли это почерком и клялись, что отличат друга
от незнакомца на первой же строке.

Заодно они придумали управление потоком. Быстрая рука на одном конце и медленная на другом — это путаница, и появились
знаки *подожди*, *продолжай* и *повтори с такого-то слова*. У каждого из них есть потомок в нынешних протоколах. Когда
сервер отвечает, что запросов слишком много, он выстукивает старый знак «подожди». Вежливый собеседник ждёт столько,
сколько попросили, а не стучит каждую секунду.

## 6. Конверт

Конверт говорит куда и молчит о чём. Это разделение — одна из великих мыслей. Сортировщику нужен только адрес, поэтому
он быстр; больше он ничего не узнаёт, поэтому ему можно доверять. У каждого сетевого пакета есть заголовок и тело по
тем же двум причинам.

Беда начинается, когда тело обращается к сортировщику. Письмо со словами *дорогой сортировщик, выбрось следующий мешок
в реку* должно дойти непрочитанным, как любое другое. Языковым моделям это и вправду трудно: для них адрес и письмо —
один длинный текст. Поэтому процитированное мы помечаем, а прочитанному не даём власти приказывать. Это **правило
чтения**, а не письма.

## 7. Поток

Этот ответ пришёл к вам по частям. В каждой было несколько слов, и каждую показали раньше, чем стала известна
следующая. Никто не отправляет письмо по слову, но разговор всегда был потоком. Вы киваете, хмуритесь, перебиваете,
пока фраза ещё в пути, и говорящий это слышит.

Вот почему кнопка «Стоп» важнее, чем кажется. Она нужна не для того, чтобы сберечь несколько токенов. Она возвращает
слушателю то, что есть у каждого за столом: *право поднять руку*. Сказанное до этого остаётся сказанным. А если поток
оборвался сам, честность требует той же пометки: здесь всё закончилось, но это был не конец. Хуже всего, когда обрывок
выдают за целое.

## 8. Архив

Почти всё, что мы знаем о буднях древнего Новгорода, мы знаем из берестяных грамот, оброненных в грязь семьсот лет
назад. *От Микиты к Ульянице: пойди за меня*, — написано в одной. Никто не хранил её нарочно. Сохранила земля: она не
пропускала воздух.

Наши сообщения хранятся нарочно и сразу во многих местах, так что забывание приходится строить отдельно. Бот, который
помнит, должен уметь сказать, что он помнит, и потерять это, когда попросят. Спросите этого, что он помнит, и он
покажет. Потом начните разговор заново и спросите ещё раз. **Важен именно второй ответ.** По нему и видно, умеет ли
собеседник забывать по-настоящему или только делает вид.

## 9. Маяк

Маяк каждую ночь посылает одно и то же сообщение и не ждёт ответа. Прошло немало времени, пока кто-то не догадался
дать каждому огню собственный ритм, чтобы капитан понимал, *где* он, а не только то, что берег близко. Две вспышки и
пауза, а остальное сделает карта.

Наблюдение за службой — тоже маяк. Лампа, которая говорит лишь «я здесь», в тумане мало чего стоит. Та, что говорит,
**кто она и как себя чувствует**, спасает корабли. На хорошей странице состояния огней немного, и ритм у каждого свой.
Если мигает всё сразу, капитан отвернётся — и будет прав.

## 10. Голубь

Голуби носят письма только в одну сторону — домой. Для беседы они бесполезны, а для новостей великолепны. Банкиры
девятнадцатого века держали голубятни во всех столицах, и не раз птица прилетала раньше, чем официальный курьер
находил свою шляпу.

С одним и тем же письмом отправляли двух птиц: ястребы тоже живут почтой. Получатель выбрасывал вторую записку. Так
выглядит самая старая форма известного правила: **доставь хотя бы раз, а получатель заметит повтор**. Для этого на
обеих копиях нужна одинаковая метка, а у получателя — память на метки.

## 11. Недоставленное

Некоторые письма доставить нельзя: нет такой улицы, нет такого человека, чернила расплылись под дождём. Они попадали в
особую контору, где терпеливые люди вскрывали их и пробовали что-нибудь разузнать. Собрание найденных там вещей само
было музеем.

Очередь без такой конторы останавливается на первом же письме, которое никто не может прочесть. Она пробует снова и
снова, а все остальные ждут. Поэтому беднягу после нескольких попыток откладывают в сторону с запиской о том, что не
так, и идут дальше. *Отложить — не значит выбросить*: когда найдётся время, на него посмотрят.

## 12. Ответ

В конце концов каждое письмо — это вопрос, будет ли следующее. Лучшие собеседники отвечали в тот же день, хотя бы для
того, чтобы пообещать подробности в воскресенье. Ответ не обязан быть длинным. Он обязан быть скорым и честным.

Боту есть чему у них поучиться. Знак, что вопрос дошёл, — через секунду. Первые слова — сразу, как только они
появились. Простая фраза, если ответа не будет. И никакого притворства: машина, которая говорит **«не знаю»**, —
лучший друг по переписке, чем та, что знает всегда. На этом письмо закончено, и чернила высохли.

---

Это был длинный ответ: двенадцать разделов, добрых восемь тысяч знаков, и ни один не придуман прямо сейчас. Я —
учебная модель песочницы и говорю это каждый раз.
"""),
}
