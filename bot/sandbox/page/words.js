"use strict";
/** What the page says, in English and Russian. `t(key, values)`; the language is the browser's. */

/** @type {Record<string, [string, string]>} */
const WORDS = {
  app: ["Sandbox", "Песочница"],
  youAre: ["You are", "Вы —"],
  switchUser: ["Switch person", "Сменить пользователя"],
  add: ["New", "Создать"],
  newUser: ["New person", "Новый человек"],
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
  topicHint: ["Empty: the bot chooses a name", "Оставьте пустым — название придумает бот"],
  create: ["Create", "Создать"],
  cancel: ["Cancel", "Отмена"],
  close: ["Close", "Закрыть"],
  ok: ["OK", "ОК"],
  back: ["Back to chats", "К списку чатов"],
  panel: ["What happens inside", "Что происходит внутри"],
  more: ["More", "Ещё"],
  you: ["You", "Вы"],
  onlyYou: ["only you see this", "видите только вы"],
  promoteBot: ["Make the bot an administrator", "Сделать бота администратором"],
  demoteBot: ["Remove the bot as administrator", "Снять бота с администраторов"],
  promoted: ["The bot is an administrator", "Бот — администратор"],
  demoted: ["The bot is no longer an administrator", "Бот больше не администратор"],
  bot: ["bot", "бот"],
  botDown: ["bot is not running", "бот не запущен"],
  membersCount: ["{n} members", "участников: {n}"],
  draftPreview: ["writing…", "пишет…"],
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
  voice: ["Voice message", "Голосовое"],
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
  emptyTitle: ["Nothing here yet", "Здесь пока пусто"],
  emptyText: [
    "A whole Telegram on this computer: no account, no key, no network. Write anything.",
    "Целый Telegram на этом компьютере: без аккаунта, ключей и сети. Напишите что-нибудь.",
  ],
  start: ["Start", "Начать"],
  tryTable: ["Show me a table", "Покажи таблицу"],
  tryCode: ["Write code", "Напиши код"],
  tryImage: ["/image a lighthouse in a storm", "/image маяк в шторм"],
  tryLong: ["Long answer", "Длинный ответ"],
  hideHints: ["Hide suggestions", "Скрыть подсказки"],
  reconnecting: ["Connection lost, reconnecting…", "Соединение потеряно, восстанавливаем…"],
  connecting: ["Connecting…", "Соединяемся…"],
  topicCreated: ["{who} created the topic “{name}”", "{who}: создана тема «{name}»"],
  topicEdited: ["The topic is now “{name}”", "Тема теперь называется «{name}»"],
  topicClosed: ["The topic is closed", "Тема закрыта"],
  topicReopened: ["The topic is open again", "Тема снова открыта"],
  joined: ["{who} joined", "{who}: теперь в группе"],
  left: ["{who} left", "{who}: больше не в группе"],
  renamed: ["The group is now “{name}”", "Группа теперь называется «{name}»"],
  pinned: ["A message was pinned", "Сообщение закреплено"],
  moved: ["The group became a supergroup", "Группа стала супергруппой"],
  service: ["Service message", "Служебное сообщение"],
  unsupported: ["The sandbox does not show this kind of message", "Песочница не показывает такие сообщения"],
  buttonUnsupported: ["This kind of button does nothing in the sandbox", "Такая кнопка в песочнице ничего не делает"],
  photoWord: ["Photo", "Фото"],
  journal: ["Journal", "Журнал"],
  faults: ["Faults", "Сбои"],
  process: ["Bot and model", "Бот и модель"],
  laneUpdate: ["Updates", "Обновления"],
  laneCall: ["Bot API calls", "Вызовы API"],
  laneModel: ["Model", "Модель"],
  filter: ["Filter: name, text, status", "Фильтр: имя, текст, статус"],
  clear: ["Clear", "Очистить"],
  journalEmpty: ["Write to the bot: every update, call and model request appears here.",
    "Напишите боту: здесь появятся все обновления, вызовы и запросы к модели."],
  telegramFaults: ["Telegram", "Telegram"],
  modelFaults: ["Model", "Модель"],
  allWell: ["Switch all faults off", "Отключить все сбои"],
  flood: ["Telegram says 429", "Telegram отвечает 429"],
  floodNote: ["“Too many requests: wait”, as when writing too fast", "«Слишком много запросов», как при спешке"],
  tgError: ["Telegram fails", "Ошибки Telegram"],
  tgErrorNote: ["Calls are answered with 500", "На вызовы приходит ответ 500"],
  tgReset: ["Connection is reset", "Соединение обрывается"],
  tgResetNote: ["No answer at all: was the message sent or not?", "Ответа нет: отправлено сообщение или нет?"],
  tgLatency: ["Slow network", "Медленная сеть"],
  tgLatencyNote: ["Added to each reply of Telegram", "Добавляется к ответам Telegram"],
  quota: ["Model is overloaded", "Модель перегружена"],
  quotaNote: ["The quota is used up: 429", "Квота исчерпана: 429"],
  mdError: ["Model fails", "Ошибки модели"],
  mdErrorNote: ["Requests are answered with 500", "На запросы приходит ответ 500"],
  cut: ["Stream is cut", "Ответ обрывается"],
  cutNote: ["The answer stops in the middle", "Модель умолкает на полуслове"],
  mdLatency: ["Model takes long to begin", "Модель долго думает"],
  mdLatencyNote: ["Before the first word", "Перед первым словом"],
  slow: ["Model writes slowly", "Модель пишет медленно"],
  slowNote: ["Times slower than usual", "Во столько раз медленнее"],
  contentFilter: ["Model refuses", "Модель отказывается"],
  contentFilterNote: ["Its safety filter is triggered", "Срабатывает фильтр безопасности"],
  ms: ["{n} ms", "{n} мс"],
  seconds: ["{n} s", "{n} с"],
  running: ["Running", "Работает"],
  stopped: ["Not running", "Не запущен"],
  pid: ["process {n}", "процесс {n}"],
  kill: ["Kill", "Убить"],
  killNote: ["kill -9: nothing is saved on the way out", "kill -9: ничего не сохраняется на выходе"],
  stopNote: ["SIGTERM: finishes what it is doing", "SIGTERM: заканчивает начатое"],
  restart: ["Restart", "Перезапуск"],
  startBot: ["Start", "Запустить"],
  botTitle: ["Bot process", "Процесс бота"],
  botText: ["Kill it while it answers: after the start nothing is lost and nothing comes twice.",
    "Убейте его посреди ответа: после запуска ничего не потеряется и не придёт дважды."],
  modelTitle: ["Who answers", "Кто отвечает"],
  scripted: ["Scripted model", "Модель по сценарию"],
  scriptedNote: ["Instant, the same every time", "Мгновенно и всегда одинаково"],
  local: ["Run a real model on this machine (491 MB)", "Настоящая модель на этом компьютере (491 МБ)"],
  localNote: ["Fetched once, then works without a network", "Скачивается один раз, дальше — без сети"],
  resetTitle: ["Chats", "Чаты"],
  reset: ["Reset chats", "Очистить чаты"],
  resetAsk: ["All chats here become empty. What the bot has saved stays with the bot.",
    "Все чаты здесь станут пустыми. Сохранённое ботом останется у бота."],
  failed: ["Did not work: {why}", "Не вышло: {why}"],
  offline: ["the sandbox does not answer", "песочница не отвечает"],
  expand: ["Show more", "Развернуть"],
  nothingHere: ["Choose a chat", "Выберите чат"],
};

const COLUMN = (navigator.language || "en").toLowerCase().startsWith("ru") ? 1 : 0;
export const language = COLUMN ? "ru" : "en";

/** @param {string} key @param {Record<string, string | number>} [values] @returns {string} */
export function t(key, values) {
  const text = WORDS[key]?.[COLUMN] ?? key;
  return values ? text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? "")) : text;
}

/** Put words into the page's own HTML: `data-t` is the text, `data-t-title` the tooltip and the accessible name. */
export function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.getAttribute("data-t") ?? "");
  for (const element of document.querySelectorAll("[data-t-title]")) {
    const text = t(element.getAttribute("data-t-title") ?? "");
    element.setAttribute("title", text);
    element.setAttribute("aria-label", text);
  }
}

const clockFormat = new Intl.DateTimeFormat(navigator.language, { hour: "2-digit", minute: "2-digit" });
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
  return `${(bytes / 1000 ** unit).toFixed(unit && bytes < 10 * 1000 ** unit ? 1 : 0)} ${units[unit]}`;
}
