"""Business connections: people let the bot answer in their own private chats. Begin with `BusinessActions.connect`.

Each account that is connected has its own chats and its own message ids. The bot sees what its owner writes there too,
and what it has sent itself: those messages carry `sender_business_bot`.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.sandbox.guard import Json
from bot.sandbox.telegram.chats import Connection, Message
from bot.sandbox.telegram.markup.entities import detect
from bot.sandbox.telegram.state import State


class BusinessActions:
    """What the owners of connected accounts, and people who write to them, do. All methods raise `ValueError` with a
    sentence for what does not exist.
    """

    def __init__(self, state: State) -> None:
        self.state = state

    def connect(self, owner: int, rights: Sequence[str] = ("can_reply",)) -> str:
        """Connect the account of a person with these rights (the Bot API's names). Returns the connection's id."""
        if not self.state.profile.business:
            raise ValueError("this bot takes no business connections")
        if owner not in self.state.people:
            raise ValueError(f"there is no user {owner}")
        connection = Connection(f"bc{self.state.unique()}", owner, list(rights), int(self.state.clock.time()))
        self.state.connections[connection.id] = connection
        self._tell_connection(connection)
        return connection.id

    def allow(self, connection_id: str, rights: Sequence[str]) -> None:
        """Give a connection exactly these rights."""
        connection = self._connection(connection_id)
        connection.rights = list(rights)
        self._tell_connection(connection)

    def disconnect(self, connection_id: str, gone: bool = True) -> None:
        """Switch a connection off, or with `gone` False on again."""
        connection = self._connection(connection_id)
        connection.is_enabled = not gone
        self._tell_connection(connection)

    def say(
        self, connection_id: str, person: int, text: str, *, by_owner: bool = False, offline: bool = False
    ) -> Message:
        """Write to the owner of the account, or as the owner to that person. `offline`: Telegram writes for the owner
        (a greeting, an away message, a scheduled one). Returns the message.
        """
        connection = self._connection(connection_id)
        if person not in self.state.people:
            raise ValueError(f"there is no user {person}")
        chat = self.state.business_chat(connection, person)
        if not by_owner and not offline:
            connection.heard[person] = self.state.clock.time()
        content: Message = {"text": text, "business_connection_id": connection.id}
        content |= {"entities": entities} if (entities := detect(text)) else {}
        content |= {"is_from_offline": True} if offline else {}
        message = self.state.post(chat, connection.owner if by_owner or offline else person, content)
        self._tell(connection, "business_message", message)
        return message

    def edit(self, connection_id: str, person: int, message_id: int, text: str) -> Message:
        """Change a message in a chat of the account."""
        connection = self._connection(connection_id)
        chat = self.state.business_chat(connection, person)
        if message_id not in chat.messages:
            raise ValueError("there is no such message")
        fresh = chat.messages[message_id] | {"text": text, "edit_date": int(self.state.clock.time())}
        self.state.replace(chat, fresh)
        self._tell(connection, "edited_business_message", fresh)
        return fresh

    def delete(self, connection_id: str, person: int, message_ids: Sequence[int]) -> None:
        """Delete messages in a chat of the account. Unlike in other chats, the bot is told."""
        connection = self._connection(connection_id)
        chat = self.state.business_chat(connection, person)
        self.state.remove(chat, message_ids)
        gone = {"chat": self.state.head(chat), "message_ids": list(message_ids)}
        self._tell(connection, "deleted_business_messages", {"business_connection_id": connection.id, **gone})

    def transcript(self, connection_id: str, person: int) -> list[Message]:
        """The messages of a chat of the account, oldest first."""
        return list(self.state.business_chat(self._connection(connection_id), person).messages.values())

    def _connection(self, connection_id: str) -> Connection:
        if connection_id not in self.state.connections:
            raise ValueError("there is no such connection")
        return self.state.connections[connection_id]

    def _tell(self, connection: Connection, kind: str, payload: Json) -> None:
        if connection.is_enabled:
            self.state.updates.add(kind, payload, lane=f"business {connection.id}")

    def _tell_connection(self, connection: Connection) -> None:
        view = connection.view(self.state.user(connection.owner))
        self.state.updates.add("business_connection", view, lane=f"business {connection.id}")
