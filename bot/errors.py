"""Every error Govorun raises, in one tree, named by what the catcher can do.

BotError
├── UnknownUser              nobody with this id has written to the bot, which may not write first
├── ConfigError              names the setting, what it should be, where to get it; ends the start
│   └── ProgramError         .place: a programmer's function returned or sent a value that can't be used
├── UserError                its text may be shown to the user
│   ├── BadInput
│   ├── NotAllowed
│   ├── NotAgreed            expensive: ask with this sentence, do it after a yes
│   └── LimitReached         .retry_after
├── ModelError               never shown verbatim
│   ├── ModelUnavailable     .retry_after; try again later
│   │   └── StreamCut        the answer stopped in the middle; what arrived was already given out
│   ├── OutcomeUnknown       the request may have been carried out: never repeat it blindly
│   ├── ModelRefused         the service will not do this: another question may work
│   │   └── AnswerForgotten  the answer that the request follows is not known: send the whole history
│   ├── ContextOverflow      .limit, .given tokens: shorten and ask again
│   ├── ModelDenied          key, role, folder, money: the operator must act
│   └── ModelProtocolError   the server said something that we do not understand
├── TransportError           the messenger: see bot/telegram/client/api.py for what each means
│   ├── TransportUnavailable .retry_after
│   ├── Refused              a call was refused for good
│   │   └── TooLarge         .limit bytes are the most that the messenger hands over
│   └── Unauthorized         the bot's token
├── Unreadable               .why a file from a person can't be opened
├── FetchFailed              .why a page can't be fetched; .retry_after
├── SourceFailed             a source of knowledge can't be read: what is known of it stays
└── Lost                     storage or transport gone for good: stop, let the supervisor restart
"""

from __future__ import annotations

from collections.abc import Mapping


class BotError(Exception):
    """Something went wrong in Govorun."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class ConfigError(BotError):
    """A setting is missing or wrong."""


class ProgramError(ConfigError, TypeError):
    """A function of a program built on Govorun returned or sent a value that can't be used; also raised while the bot
    runs. `place` is the file and line of that function, "" if the function itself has called what raises this.
    """

    place = ""


class UnknownUser(BotError):
    """This person never wrote to the bot, or this group never had it: a bot may not write first."""


class UserError(BotError):
    """The text of this error may be shown to the user: one for all languages, or one for each."""

    def __init__(self, message: str | Mapping[str, str] = "") -> None:
        texts = {} if isinstance(message, str) else message
        super().__init__(message if isinstance(message, str) else texts.get("en") or next(iter(texts.values()), ""))
        self.said: str | Mapping[str, str] = texts or str(self)


class BadInput(UserError):
    """The input can't be used as it is."""


class NotAllowed(UserError):
    """This user may not do this."""


class NotAgreed(UserError):
    """The request costs so much that the user has to agree to the price first."""


class LimitReached(UserError):
    """A limit was reached."""

    def __init__(self, message: str = "", *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ModelError(BotError):
    """The model service failed. `trace` is the server's own id of the request, for its support."""

    def __init__(self, message: str = "", *, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class ModelUnavailable(ModelError):
    """The model service can't answer now."""

    def __init__(self, message: str = "", *, retry_after: float = 0.0, trace: str = "") -> None:
        super().__init__(message, trace=trace)
        self.retry_after = retry_after


class HookFailed(ModelError):
    """A programmer's function around the model has failed, so there is no answer: it may have been a check."""


class StreamCut(ModelUnavailable):
    """The answer stopped in the middle."""


class OutcomeUnknown(ModelError):
    """The connection broke after the request was sent: it may have been carried out."""


class ModelRefused(ModelError):
    """The service refused the request by its rules."""


class AnswerForgotten(ModelRefused):
    """The service does not remember the answer that the request follows (`Request.previous`)."""


class ContextOverflow(ModelError):
    """The prompt is longer than the model's window."""

    def __init__(self, message: str = "", *, limit: int = 0, given: int = 0, trace: str = "") -> None:
        super().__init__(message, trace=trace)
        self.limit = limit
        self.given = given


class ModelDenied(ModelError):
    """The key, its role, the folder or the account does not allow this request."""


class ModelProtocolError(ModelError):
    """The server's answer can't be understood."""


class TransportError(BotError):
    """The messenger failed."""


class TransportUnavailable(TransportError):
    """The messenger can't be reached, or asks to wait."""

    def __init__(self, message: str = "", *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(TransportError):
    """The messenger refused a call for good."""


class TooLarge(Refused):
    """The file is larger than the messenger hands over."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit


class Unauthorized(TransportError):
    """The messenger does not know this bot's token."""


class StorageUnavailable(BotError):
    """The database can't be written now."""


class Lost(BotError):
    """Storage or transport is gone for good."""


class Unreadable(BotError):
    """A file from a person can't be opened. `why` is one word: "broken", "slow", "heavy", "busy", or a reason that only
    this kind of file has.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class FetchFailed(BotError):
    """A page can't be fetched.

    `why`: forbidden (an address of a private network), unavailable, redirects (too many, or to no page), type,
    too_long, broken, robots.
    """

    def __init__(self, why: str, *, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.why = why
        self.retry_after = retry_after


class SourceFailed(BotError):
    """A source of the knowledge base can't be read at all; the articles read from it earlier stay as they are.

    The message says in English what was wrong and what to do. `why` and `values` let `knowledge.sources.source.failure`
    say it in the reader's language; `why` is "" if there is only the message.
    """

    def __init__(self, message: str, why: str = "", **values: object) -> None:
        super().__init__(message)
        self.why = why
        self.values = values
