"""Whether the messages of a case are translated, and the orders to do it: jobs, since no message waits for a model that
need not.

A customer's message goes to the operators at once, and its translation is an edit of it. An operator's message goes to
the customer when it is translated: nothing leaves in the wrong language. The key of each job is that of the delivery.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.desk.desk import Desk
from bot.storage.store import Tx
from bot.storage.tables.desk import CUSTOMER, OPERATOR, Case
from bot.texts.catalog import known
from bot.types import Address, Incoming, Job

TRANSLATE = "desk.translate"  # the job
CODES = (  # of the languages of ISO 639-1
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo "
    "es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka "
    "kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng "
    "nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su "
    "sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
ON, OFF = "on", "off"  # of a case; else it has the language that operators read


def for_team(desk: Desk, tx: Tx, case: Case) -> str:
    """The language into which a customer's messages are translated; "" for none."""
    mode, chosen = desk.table.translate_of(desk.hours.team(case)).mode, case.translate
    if mode == OFF or chosen == OFF or (mode == "ask" and not chosen):
        return ""
    language = chosen if chosen not in ("", ON) else _team_language(desk, tx, case)
    return language if chosen or _short(case.language) not in ("", _short(language)) else ""


def for_customer(desk: Desk, tx: Tx, case: Case) -> str:
    """The language into which operators' messages are translated; "" for none: the customer has theirs."""
    language = for_team(desk, tx, case)
    return case.language if language and _short(language) != _short(case.language) else ""


def _team_language(desk: Desk, tx: Tx, case: Case) -> str:
    seat = desk.seat(tx, case)
    where = seat.address if seat is not None else desk.group_of(tx, case)
    return known(desk.language(tx, where.chat)) if where is not None else ""


def _short(language: str) -> str:
    return language.partition("-")[0].lower()


def order_for_team(desk: Desk, tx: Tx, case: Case, incoming: Incoming) -> None:
    """Add the job that translates a customer's message, if the case wants translations and the message has words."""
    to = for_team(desk, tx, case)
    if to and has_words(incoming.text):
        payload = {"side": CUSTOMER, "message": incoming.message_id, "chat": incoming.address.chat}
        _order(desk, tx, case, f"{incoming.id}.team", {**payload, "text": incoming.text, "to": to})


def order_for_customer(
    desk: Desk,
    tx: Tx,
    case: Case,
    incoming: Incoming,
    *,
    text: str,
    to: str,
    copy: Sequence[int] = (0, 0),
    quoted: int = 0,
) -> None:
    """Have an operator's message translated into the language `to`, and sent then. `copy` are the files that go with
    it, `quoted` is the customer's message that it replies to.
    """
    links = [one["url"] for one in incoming.entities if one.get("type") == "text_link"]
    payload = {
        "side": OPERATOR,
        "chat": incoming.address.chat,
        "message": incoming.message_id,
        "turn": incoming.id,
        "copy": list(copy),
        "quoted": quoted,
        "links": links,
    }
    _order(desk, tx, case, f"{incoming.id}.desk", {**payload, "text": text, "to": to})


def order_edit(desk: Desk, tx: Tx, case: Case, incoming: Incoming, *, delivery: str, to: str) -> None:
    """Add the job that translates the new text of an edited message of an operator, and sends it or edits what was
    sent.
    """
    waiting = tx.jobs.find_job(case.address.bot, TRANSLATE, delivery)
    if waiting is not None:
        tx.jobs.store_payload(waiting, {**waiting.payload, "text": incoming.text})
        return
    is_sent = tx.outbox.find_address(case.address.bot, delivery) is not None
    said = {"side": OPERATOR, "chat": incoming.address.chat, "message": incoming.message_id, "turn": incoming.id}
    more = {"copy": [0, 0], "quoted": 0, "links": [], "edit": is_sent}
    _order(
        desk,
        tx,
        case,
        f"{incoming.id}.edit" if is_sent else delivery,
        {**said, **more, "text": incoming.text, "to": to},
    )


def cancel(tx: Tx, where: Address, delivery: str) -> bool:
    """Withdraw an operator's message that waits for its translation. Returns False if it was sent already."""
    if tx.outbox.find_address(where.bot, delivery) is not None:
        return False
    if (job := tx.jobs.find_job(where.bot, TRANSLATE, delivery)) is not None:
        tx.jobs.delete_done(job)
    return True


def is_pending(tx: Tx, case: Case) -> bool:
    """Whether a message of an operator is being translated."""
    return any(job.payload["side"] == OPERATOR for job in _jobs(tx, case.address))


def is_next(tx: Tx, job: Job) -> bool:
    """Whether no earlier message of an operator to the customer is still being translated."""
    return not any(
        other.payload["side"] == OPERATOR and other.payload["message"] < job.payload["message"]
        for other in _jobs(tx, job.address)
    )


def _jobs(tx: Tx, where: Address) -> Sequence[Job]:
    return tx.jobs.list_of_chat(where, TRANSLATE)


def _order(desk: Desk, tx: Tx, case: Case, key: str, payload: dict[str, object]) -> None:
    now = tx.clock.time()
    tx.jobs.add_job(Job(TRANSLATE, key, case.address, {"case": case.id, "user": desk.purse(case), **payload}, due=now))


def has_words(text: str) -> bool:
    """Whether there is something to translate in a text."""
    return any(sign.isalpha() for sign in text)
