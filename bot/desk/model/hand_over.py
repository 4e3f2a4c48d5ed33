"""The tool with which a model gives its conversation to a person: `hand_over_tool`."""

from __future__ import annotations

from collections.abc import Callable

from bot.desk.cards import WHY
from bot.desk.desk import Desk, Places
from bot.prompts.catalog import instruct
from bot.storage.store import Store, Tx
from bot.storage.tables.desk import GROUPS, OPEN_CASE
from bot.tools.tool import Tool, ToolContext
from bot.types import Incoming, User

ABOUT = (
    r"\b(?:human|person|somebody|someone|operator|agent|manager|colleague|employee|support|complain\w*|complaint)\b"
    r"|человек|оператор|менеджер|сотрудник|специалист|консультант|поддержк|жалоб|пожаловаться|кого-нибудь"
)


def hand_over_tool(store: Store, desk: Desk, send: Callable[[str, Places], None]) -> Tool:
    """Make the tool `hand_over`. `send` delivers to places in the background.

    The call changes the owner of the case, so that what the model writes afterwards is not sent; the sentence for the
    customer is a message of its own.
    """

    async def hand_over(asker: ToolContext, why: str) -> str:
        """Give this conversation to a person of the support team: when the user wants a person, complains, or needs
        something that only a person can decide or do. Do not use it for questions that you can answer.

        why: what the person should know, in a few words
        """
        who = User(asker.user, language=asker.language)
        incoming = Incoming(f"{asker.turn}.person", asker.address, who, text=why)

        def work(tx: Tx) -> tuple[str, Places]:
            case = tx.one(OPEN_CASE, address=asker.address)
            if case is None or not desk.table.person.tool or not tx.all(GROUPS, bot=desk.bot):
                return instruct(asker.language, "desk.not_here"), ()
            tx.cases.add_event(case, WHY, detail=why)
            told, places = desk.call(tx, incoming, "model")
            after = tx.one(OPEN_CASE, address=asker.address)
            if after is None or not after.is_for_people:  # nobody works: the model says when people are back
                return told.text, places
            tx.outbox.add_answer(incoming.id, asker.address, told)
            return instruct(asker.language, "desk.handed"), [*places, asker.address]

        answer, places = await store.write(work)
        send("", places)
        return answer

    return Tool.of(hand_over, deadline=5.0, about=ABOUT)
