"""The scripted model of the sandbox: it answers by rules, at once, in the language of the question. Begin with
`answer`.

A pure function: one conversation always gets one answer. The model says what it is, shows what Markdown can do, and
repeats what it was given of the history. The long essay is in `essay.py`; answers to the bot's own requests (titles,
summaries) are in `helper_answers.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bot.sandbox.scripted.essay import ESSAY
from bot.sandbox.scripted.helper_answers import answer_about_files, brings_files, helper_answer, spoken

Messages = Sequence[dict[str, str]]
Language = str
TIME_TO_STOP = 20.0  # seconds


def answer(messages: Messages) -> str:
    """The answer to a conversation of `{"role", "text"}` messages; never empty."""
    text = question(messages)
    # A question without letters is answered in the language of the earlier messages.
    language = language_of(
        spoken(text) if re.search(r"[^\W\d_]", spoken(text)) else "".join(said["text"] for said in messages)
    )
    if (found := helper_answer(messages, text, language, answer)) is not None:
        return found
    by_rule = next((make(messages, language) for pattern, make in RULES if pattern.search(spoken(text))), "")
    about_files = answer_about_files(text, language)
    # Documents stand before every later question, too: then the words that people try come first.
    first, second = (about_files, by_rule) if brings_files(text) else (by_rule, about_files)
    return first or second or _default(messages, language)


def question(messages: Messages) -> str:
    """The newest message of the user; "" if there is none."""
    own = (message["text"] for message in reversed(messages) if message["role"] == "user" and "tool" not in message)
    return next(own, "")


def language_of(text: str) -> Language:
    """ "ru" for a text with Cyrillic letters, else "en"."""
    return "ru" if re.search("[а-яё]", text, re.IGNORECASE) else "en"


def seconds_wanted(messages: Messages) -> float | None:
    """How long the answer should take: 0 at once, 20 s if the question wants it slow; None for the usual speed."""
    text = spoken(question(messages)).lower()
    if re.search(r"\binstant|мгновенн", text):
        return 0.0
    return TIME_TO_STOP if re.search(r"\bslow|медленн", text) else None


def is_refused(messages: Messages) -> bool:
    """Whether the content filter answers instead: if the question names the "forbidden topic"."""
    return bool(re.search(r"forbidden topic|запретн\w{1,9} тем", question(messages), re.IGNORECASE))


def _turns(messages: Messages) -> list[dict[str, str]]:
    return [message for message in messages if message["role"] != "system"]


def _quoted(text: str, limit: int = 300) -> str:
    short = text if len(text) <= limit else text[:limit].rstrip() + "…"
    return "\n".join(f"> {line}" for line in short.strip().splitlines() or [""])


def _greeting(messages: Messages, language: Language) -> str:
    return GREETING[language]


def _default(messages: Messages, language: Language) -> str:
    before = len(_turns(messages)) - 1
    count = len(re.findall(r"\w+", question(messages)))
    words = "1 word" if count == 1 else f"{count} words"
    return DEFAULT[language].format(quote=_quoted(question(messages)), before=before, words=words, count=count)


def _memory(messages: Messages, language: Language) -> str:
    earlier = _turns(messages)[:-1]
    if not earlier:
        return NOTHING[language]
    rows: list[str] = []
    for message in earlier:
        one_line = " ".join(message["text"].split())
        short = one_line if len(one_line) <= 120 else one_line[:120].rstrip() + "…"
        rows.append(f"{len(rows) + 1}. **{WHO[language][message['role']]}:** {short}")
    head, foot = MEMORY[language]
    return f"{head.format(count=len(earlier))}\n\n" + "\n".join(rows) + f"\n\n{foot}"


def _fixed(texts: dict[Language, str]) -> Callable[[Messages, Language], str]:
    return lambda messages, language: texts[language]


WHO = {"en": {"user": "You", "assistant": "I"}, "ru": {"user": "Вы", "assistant": "Я"}}

GREETING = {
    "en": """Hello! 👋 I am the **scripted model of the sandbox**. I am not a neural network: I answer by rule, so \
that you can try the bot without a key and without paying.

Ask me for

- a **table**, a **list**, a **task** list or some **code**
- a **formula**, or something **long**, which has to be split
- something **slow** (then try the Stop button) or **instant**
- what I **remember**: I repeat what the bot gave me of our conversation

Anything else I repeat back to you. With a key of Yandex AI Studio the same bot answers with a real model.""",
    "ru": """Здравствуйте! 👋 Я — **учебная модель песочницы**. Я не нейросеть: отвечаю по правилам, чтобы вы могли \
попробовать бота без ключа и без оплаты.

Попросите у меня

- **таблицу**, **список**, список **задач** или **код**
- **формулу** или что-нибудь **длинное**, что придётся делить на части
- что-нибудь **медленное** (и нажмите «Стоп») или **мгновенное**
- что я **помню**: я повторю то, что бот передал мне из нашего разговора

Остальное я просто повторю. С ключом Yandex AI Studio этот же бот отвечает настоящей моделью.""",
}

DEFAULT = {
    "en": """You wrote ({words}):

{quote}

I have thought about it as far as a **scripted model** can: I understand no meaning, but I have read every word. \
Before this I was given **{before}** earlier messages of our conversation.

A real model would answer here. I can show you a *table*, a *list*, *code*, a *formula* or a *long* text — \
just name one.""",
    "ru": """Вы написали (слов: {count}):

{quote}

Я обдумал это, насколько может **учебная модель**: смысла я не понимаю, но прочитал каждое слово. \
Раньше из нашего разговора мне передали сообщений: **{before}**.

Здесь ответила бы настоящая модель. А я могу показать *таблицу*, *список*, *код*, *формулу* или *длинный* текст — \
назовите что-нибудь одно.""",
}

NOTHING = {
    "en": "I remember nothing yet: your message is the first one that I was given.",
    "ru": "Пока я ничего не помню: ваше сообщение — первое, что мне передали.",
}

MEMORY = {
    "en": (
        "I remember **{count}** earlier messages, exactly those that the bot gave me:",
        "I keep nothing myself. What you see here is the history that the bot sends with each question.",
    ),
    "ru": (
        "Я помню сообщений: **{count}** — ровно те, что передал мне бот:",
        "Сам я ничего не храню. Здесь то, что бот присылает мне с каждым вопросом.",
    ),
}

TABLE = {
    "en": """Here is a table — four planets, side by side:

| Planet | Diameter, km | Day, hours | Moons |
|:-------|-------------:|-----------:|------:|
| Mercury | 4,879 | 1,408 | 0 |
| Earth | 12,742 | 24 | 1 |
| Mars | 6,779 | 24.6 | 2 |
| Jupiter | 139,820 | 9.9 | 95 |

The largest of them turns the **fastest**: a day on Jupiter is over before you have finished your working day.""",
    "ru": """Вот таблица — четыре планеты рядом:

| Планета | Диаметр, км | Сутки, ч | Спутники |
|:--------|------------:|---------:|---------:|
| Меркурий | 4 879 | 1 408 | 0 |
| Земля | 12 742 | 24 | 1 |
| Марс | 6 779 | 24,6 | 2 |
| Юпитер | 139 820 | 9,9 | 95 |

Самая большая из них вращается **быстрее всех**: сутки на Юпитере короче рабочего дня с дорогой.""",
}

CODE_BODY = '''```python
def primes(limit: int) -> list[int]:
    """All prime numbers below `limit`, by the sieve of Eratosthenes."""
    is_prime = [True] * limit
    is_prime[:2] = [False, False]
    for number in range(2, int(limit**0.5) + 1):
        if is_prime[number]:
            for multiple in range(number * number, limit, number):
                is_prime[multiple] = False
    return [number for number, prime in enumerate(is_prime) if prime]


print(primes(30))  # [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
```'''

CODE = {
    "en": f"""Here is a small Python program that finds prime numbers:

{CODE_BODY}

How it works:

1. At first every number counts as prime.
2. For each prime `number` all its multiples are crossed out, beginning with `number * number`: the smaller ones are \
gone already.
3. What is left is prime. It takes about `n log log n` steps.""",
    "ru": f"""Вот небольшая программа на Python, которая ищет простые числа:

{CODE_BODY}

Как она работает:

1. Сначала простым считается каждое число.
2. Для каждого простого `number` вычёркиваются кратные ему, начиная с `number * number`: меньшие уже вычеркнуты.
3. Остаются простые. На это уходит около `n log log n` шагов.""",
}

LIST = {
    "en": """Three ways to make tea, in order of patience:

1. **Tea bag** — three minutes
   - water just off the boil
   - take the bag out in time
2. **Leaves in a pot** — five minutes
   - warm the pot first
   - a teaspoon for each cup, and *one for the pot*
3. **Samovar** — an evening
   - pine cones for the fire
   - and somebody to talk to""",
    "ru": """Три способа заварить чай, по возрастанию терпения:

1. **Пакетик** — три минуты
   - вода чуть остывшая после кипения
   - пакетик вовремя вынуть
2. **Листовой, в чайнике** — пять минут
   - сначала согреть чайник
   - по ложке на чашку и *ещё одну на чайник*
3. **Самовар** — целый вечер
   - шишки для огня
   - и собеседник""",
}

FORMULA = {
    "en": r"""The roots of $ax^2 + bx + c = 0$ are

$$x_{1,2} = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}$$

What is under the root, $D = b^2 - 4ac$, decides: two roots when $D > 0$, one when $D = 0$, none among the real \
numbers when $D < 0$.""".replace("\\\n", ""),
    "ru": r"""Корни уравнения $ax^2 + bx + c = 0$:

$$x_{1,2} = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}$$

Всё решает дискриминант $D = b^2 - 4ac$: два корня при $D > 0$, один при $D = 0$, а при $D < 0$ \
вещественных корней нет.""".replace("\\\n", ""),
}

TASKS = {
    "en": """A plan for putting the bot to work:

- [x] Try it in the sandbox
- [x] Ask the scripted model for a task list
- [ ] Get a token from @BotFather
- [ ] Get a key of Yandex AI Studio
- [ ] Run `govorun run`
- [ ] Say hello to a real model""",
    "ru": """План, как запустить бота:

- [x] Попробовать его в песочнице
- [x] Попросить у учебной модели список задач
- [ ] Получить токен у @BotFather
- [ ] Получить ключ Yandex AI Studio
- [ ] Выполнить `govorun run`
- [ ] Поздороваться с настоящей моделью""",
}

SLOW = {
    "en": """I am in no hurry. This answer is written slowly on purpose, so that you can watch it grow.

Now would be a good time to press **Stop**: the bot keeps what has been written so far and says that it was cut short.

Still here? Then a word about patience. A tree grows a ring a year. A stalactite grows a finger's breadth in a \
century. Compared with them, even this sentence is quick.

And that was all. Thank you for waiting to the end.""",
    "ru": """Я никуда не спешу. Этот ответ нарочно пишется медленно, чтобы было видно, как он растёт.

Самое время нажать **Стоп**: бот сохранит написанное и пометит, что ответ остановлен.

Всё ещё здесь? Тогда два слова о терпении. Дерево прибавляет кольцо в год. Сталактит вырастает на палец за столетие. \
Рядом с ними даже это предложение — быстрое.

Вот и всё. Спасибо, что дождались конца.""",
}

INSTANT = {
    "en": "Here you are, all at once: this answer came in one piece, without any waiting. ⚡",
    "ru": "Пожалуйста, всё сразу: этот ответ пришёл целиком, без ожидания. ⚡",
}


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# The first rule that matches answers, so special rules come before general ones.
RULES: list[tuple[re.Pattern[str], Callable[[Messages, Language], str]]] = [
    (_rule(r"\bremember|what (did|have) (i|we|you) (say|said|ask)|помнишь|что я (сказал|говорил|спрашивал)"), _memory),
    (_rule(r"\btables?\b|таблиц"), _fixed(TABLE)),
    (_rule(r"\btasks?\b|to-?do|задач"), _fixed(TASKS)),
    (_rule(r"\bcode\b|python|\bкод(?!екс|ир)|программ"), _fixed(CODE)),
    (_rule(r"\bformula|equation|формул|уравнени"), _fixed(FORMULA)),
    (_rule(r"\blists?\b|спис(ок|к)"), _fixed(LIST)),
    (_rule(r"\blong\b|\bessay\b|длинн"), _fixed(ESSAY)),
    (_rule(r"\bslow|медленн"), _fixed(SLOW)),
    (_rule(r"\binstant|мгновенн"), _fixed(INSTANT)),
    (_rule(r"^\W*(/start|hi|hello|hey|help|привет|здравствуй|добрый|помощь|что ты умеешь|what can you do)"), _greeting),
]
