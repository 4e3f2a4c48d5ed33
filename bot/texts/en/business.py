"""English: what owners of connected accounts (business connections), and people who write to them, read."""

TEXTS = {
    "business.connected": (
        "I am connected to your account. When somebody writes to you there, you get a draft here and "
        "decide; when you answer yourself, I keep out."
    ),
    "business.disconnected": (
        "I am not connected to your account any more, or may not answer there: nothing is sent. Telegram"
        " settings, Business, Chatbots."
    ),
    "business.not_allowed": (
        "Accounts can be connected by operators of this bot only. Ask its administrator for an invitation."
    ),
    "business.unsent": "Not sent to {name}:\n{text}",
    "business.asks": "{name} writes to your account:",
    "business.send": "Send",
    "business.edit": "My own words",
    "business.drop": "Not now",
    "business.forget": "Forget this chat",
    "business.edit.ask": "What should I send? Your next message goes to the customer as it is.",
    "business.dropped": "Not sent.",
    "business.forgotten": "I have forgotten this chat. What stands in Telegram stays there.",
    "business.sent": "On its way (👌 when it is there): {text}",
    "business.no_right": (
        "I may not answer in your account: Telegram settings, Business, Chatbots, allow replies. Copy "
        "the text if you want to send it."
    ),
    "business.too_late": (
        "The customer's last message is older than 24 hours: Telegram lets me answer no more. Copy the "
        "text and send it yourself."
    ),
    "business.gone": "This chat is forgotten.",
    "business.older": "Something was said in this chat since. Look there; a new draft comes if one is needed.",
    "business.notice": "(Answered by a bot.)",
    "business.refused": "This was not delivered to {name}: {reason}\n\n{text}",
}
