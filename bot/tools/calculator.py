"""The tool `calculator`: arithmetic with fractions, as models make mistakes. Begin with `calculate`.

An expression is parsed, never executed, and may use only the operators and functions of the tables at the foot. The
size of every number is checked before it is computed, so that no expression takes long.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from decimal import Decimal, Overflow, localcontext
from fractions import Fraction
from functools import cache

from bot.errors import BadInput
from bot.tools.tool import Tool

LONGEST = 500  # characters
BITS = 4_096  # of a numerator or a denominator
DIGITS = 40  # that are computed of what is not exact
SHOWN = 15  # ... and told
MOST_WHOLE = 60  # digits of a whole number that is written out
LARGEST_FACTORIAL = 300
ABOUT = (
    r"\d\s*[-+*/^×÷·:%]|\d\s*[xх]\s*\d|\b(?:calculat|comput|multipl|divided|subtract|percent)|\b(?:plus|minus|times|sum|sqrt|root)\b"
    r"|сколько будет|посчита|подсчита|вычисл|сложи|умнож|раздели|вычти|процент|корень|\b(?:плюс|минус|сумм[ауы])\b"
)
PERCENT = re.compile(r"%(?!\s*[\d(.a-z])")


async def calculator(expression: str) -> str:
    """Work out an arithmetic expression exactly. Use it for every calculation.

    expression: like (2 + 3.5) * 4 ^ 2, 15% * 80, sqrt(2), 7 mod 3; with + - * / // ^ mod, round(x, digits), abs, min,
        max, factorial, gcd, sqrt, exp, ln, log10, sin, cos, tan (radians), pi, e
    """
    return calculate(expression)


@cache
def tool() -> Tool:
    """Return the tool `calculator`, with which a model computes."""
    return Tool.of(calculator, deadline=5.0, about=ABOUT)


def calculate(expression: str) -> str:
    """The value of an expression, with ≈ if it is not exact. Raises `BadInput`."""
    if len(expression) > LONGEST:
        raise BadInput(f"the expression is longer than {LONGEST} characters")
    try:
        tree = ast.parse(_python(expression), mode="eval")
        return _written(_value(tree.body))
    except SyntaxError:
        raise BadInput("this is no arithmetic expression; write it like (2 + 3.5) * 4, with a point in 3.5") from None
    except ZeroDivisionError:
        raise BadInput("this divides by zero") from None
    except (RecursionError, MemoryError):
        raise BadInput("the expression is nested too deeply") from None
    except (ValueError, ArithmeticError):
        raise BadInput("this has no result among the real numbers, or one that is too large") from None


def _python(expression: str) -> str:
    for sign, meant in SIGNS.items():
        expression = expression.replace(sign, meant)
    expression = re.sub(r"\bmod\b", "%", expression)
    return PERCENT.sub("/100", expression).strip()


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _held(Fraction(repr(number)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return _held(OPERATORS[type(op)](_value(left), _value(right)))
        case ast.Name(id=name) if name.lower() in CONSTANTS:
            return CONSTANTS[name.lower()]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name.lower() in FUNCTIONS:
            return _called(name.lower(), [_value(arg) for arg in args])
    raise BadInput(f"{ast.unparse(node)[:60]} is not understood here")


def _called(name: str, values: list[Fraction]) -> Fraction:
    least, most, function = FUNCTIONS[name]
    if not least <= len(values) <= most:
        raise BadInput(f"{name} takes {least} to {most} numbers")
    return _held(function(*values))


def _held(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > BITS:
        raise BadInput("the numbers become too large")
    return value


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator == 1:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length()) - 1
        if bits * abs(exponent.numerator) > BITS or abs(exponent.numerator) > BITS * BITS:
            raise BadInput("the numbers become too large")
        return Fraction(base ** int(exponent))
    return _decimal(lambda: _as_decimal(base) ** _as_decimal(exponent))


def _decimal(work: Callable[[], Decimal]) -> Fraction:
    """Compute in decimals of `DIGITS` digits. Raises `ArithmeticError` beyond 10^±999."""
    with localcontext(prec=DIGITS, Emax=999, Emin=-999) as context:
        context.traps[Overflow] = True
        return Fraction(work())


def _as_decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _rooted(value: Fraction) -> Fraction:
    if value < 0:
        raise BadInput("a negative number has no real root")
    over, under = math.isqrt(value.numerator), math.isqrt(value.denominator)
    if over * over == value.numerator and under * under == value.denominator:
        return Fraction(over, under)
    return _decimal(lambda: _as_decimal(value).sqrt())


def _rounded(value: Fraction, digits: Fraction = Fraction(0)) -> Fraction:
    """Rounded, with halves away from zero, as people do it."""
    places = _whole(digits, 100)
    scaled = abs(value) * Fraction(10) ** places
    return Fraction(math.floor(scaled + Fraction(1, 2))) / Fraction(10) ** places * (-1 if value < 0 else 1)


def _whole(value: Fraction, most: int) -> int:
    if value.denominator != 1 or abs(value) > most:
        raise BadInput(f"a whole number up to {most} is expected")
    return value.numerator


def _floating(function: Callable[[float], float]) -> Callable[[Fraction], Fraction]:
    return lambda value: Fraction(repr(round(function(float(value)), SHOWN)))


def _greatest(left: Fraction, right: Fraction) -> Fraction:
    return Fraction(math.gcd(_whole(left, 1 << BITS), _whole(right, 1 << BITS)))


def _written(value: Fraction) -> str:
    if value.denominator == 1 and len(str(abs(value.numerator))) <= MOST_WHOLE:
        return str(value.numerator)
    with localcontext(prec=SHOWN):
        shown = _as_decimal(value)
        exact = Fraction(shown) == value
        is_plain = -10 < shown.adjusted() < SHOWN + 3
        text = f"{shown:f}" if is_plain else f"{shown.normalize():E}"
    text = text.rstrip("0").rstrip(".") if is_plain and "." in text else text
    return text if exact else f"≈ {text}"


SIGNS = {"^": "**", "×": "*", "·": "*", "÷": "/", ":": "/", "−": "-", "–": "-", "\u00a0": "", "\u202f": "", "√": "sqrt"}
OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: Fraction(left // right),
    ast.Mod: lambda left, right: left % right,
    ast.Pow: _power,
}
CONSTANTS = {
    "pi": Fraction("3.1415926535897932384626433832795028841972"),
    "π": Fraction("3.1415926535897932384626433832795028841972"),
    "e": Fraction("2.7182818284590452353602874713526624977572"),
}
FUNCTIONS: dict[str, tuple[int, int, Callable[..., Fraction]]] = {
    "abs": (1, 1, abs),
    "min": (1, 20, min),
    "max": (1, 20, max),
    "round": (1, 2, _rounded),
    "sqrt": (1, 1, _rooted),
    "factorial": (1, 1, lambda value: Fraction(math.factorial(_whole(value, LARGEST_FACTORIAL)))),
    "gcd": (2, 2, _greatest),
    "exp": (1, 1, lambda value: _decimal(lambda: _as_decimal(value).exp())),
    "ln": (1, 1, lambda value: _decimal(lambda: _as_decimal(value).ln())),
    "log10": (1, 1, lambda value: _decimal(lambda: _as_decimal(value).log10())),
    "sin": (1, 1, _floating(math.sin)),
    "cos": (1, 1, _floating(math.cos)),
    "tan": (1, 1, _floating(math.tan)),
}
