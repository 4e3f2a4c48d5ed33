"""Russian: what owners of connected accounts (business connections), and people who write to them, read."""

TEXTS = {
    "business.connected": (
        "Я подключён к вашему аккаунту. Когда вам там напишут, черновик ответа придёт сюда, и решать "
        "вам. Если ответите сами, я не вмешиваюсь."
    ),
    "business.disconnected": (
        "Я больше не подключён к вашему аккаунту или не могу там отвечать, поэтому ничего не отправляю. "
        "Настройки Telegram, «Telegram для бизнеса», «Чат-боты»."
    ),
    "business.not_allowed": (
        "Подключать аккаунты могут только операторы этого бота. Попросите администратора пригласить вас."
    ),
    "business.unsent": "Не отправлено ({name}):\n{text}",
    "business.asks": "{name} пишет вам:",
    "business.send": "Отправить",
    "business.edit": "Свой ответ",
    "business.drop": "Не сейчас",
    "business.forget": "Забыть этот чат",
    "business.edit.ask": "Что отправить? Ваше следующее сообщение уйдёт клиенту как есть.",
    "business.dropped": "Не отправлено.",
    "business.forgotten": "Этот чат забыт. То, что есть в Telegram, там и останется.",
    "business.sent": "Отправляю (👌 — значит, дошло): {text}",
    "business.no_right": (
        "Мне нельзя отвечать от вашего имени: в настройках Telegram («Telegram для бизнеса», «Чат-боты»)"
        " разрешите ответы. Если хотите, скопируйте текст и отправьте сами."
    ),
    "business.too_late": (
        "С последнего сообщения клиента прошло больше суток, Telegram уже не даёт мне ответить. "
        "Скопируйте текст и отправьте сами."
    ),
    "business.gone": "Этот чат забыт.",
    "business.older": "В этом чате с тех пор что-то написали. Загляните туда; если нужно, придёт новый черновик.",
    "business.notice": "(Ответил бот.)",
    "business.refused": "Не доставлено ({name}): {reason}\n\n{text}",
}
