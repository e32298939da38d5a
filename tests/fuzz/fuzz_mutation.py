"""Damaged bytes and odd texts, made from a random generator alone: a seed gives the same case."""

import random
import struct

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
ODD = (
    *(
        "",
        " ",
        "\x00",
        "\x1b[31m",
        "\x1b]0;x\x07",
        "\u202e",
        "=1+1",
        "@x",
        "<script>",
        "</td>",
        "$",
    ),
    *(
        "\\input{x}",
        "%s",
        "{0}",
        "../..",
        "/dev/zero",
        "nan",
        "inf",
        "-1",
        "1e400",
        "9" * 400,
        "null",
    ),
    *(
        "true",
        "real",
        "fake",
        "0",
        "1",
        "é",
        "網",
        "a,b",
        'a"b',
        "a\nb",
        "\ufeff",
        "\ud7ff",
        "x" * 300,
    ),
)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Changes, drops, repeats or cuts off a few bytes."""
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8, 32))):
        if not content:
            content += rng.randbytes(4)
        where = rng.randrange(len(content))
        length = rng.choice((1, 1, 2, 4, 16, 64))
        match rng.randrange(8):
            case 0:
                content[where] ^= 1 << rng.randrange(8)
            case 1:
                content[where] = rng.randrange(256)
            case 2:
                del content[where : where + length]
            case 3:
                content[where:where] = rng.randbytes(length)
            case 4:
                content[where:where] = content[where : where + length] * rng.choice((1, 2, 50))
            case 5:
                number = struct.pack(rng.choice("<>") + "I", rng.choice(NUMBERS))
                content[where : where + 4] = number
            case 6:
                del content[where:]
            case _:
                other = rng.randrange(len(content))
                content[where : where + length] = content[other : other + length]
    return bytes(content)


def text(rng: random.Random) -> str:
    """A short text that programs stumble over, or a harmless one."""
    if rng.random() < 0.6:
        return rng.choice(ODD)
    return "".join(
        chr(rng.choice((rng.randrange(32, 127), rng.randrange(1, 0xD800)))) for _ in range(5)
    )


def value(rng: random.Random, depth: int = 0) -> object:
    """Any JSON value."""
    match rng.randrange(9 if depth < 3 else 6):
        case 0:
            return text(rng)
        case 1:
            return rng.choice((0, 1, -1, 2, 10**8, 2**63, -(2**70), 10**300))
        case 2:
            return rng.choice((0.5, -1.0, 1e308, float("nan"), float("inf")))
        case 3 | 4:
            return rng.choice((None, True, False))
        case 5:
            return rng.choice(("real", "fake", "a.png", "train"))
        case 6:
            return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
        case _:
            return {text(rng): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def changed(document: object, rng: random.Random) -> object:
    """A document with a few of its values replaced, removed or added."""
    if rng.random() < 0.15:
        return value(rng)
    if isinstance(document, dict) and document:
        keys = list(document)
        copy = dict(document)
        for key in rng.sample(keys, rng.randint(1, min(2, len(keys)))):
            if rng.random() < 0.15:
                del copy[key]
            else:
                copy[key] = changed(copy[key], rng)
        if rng.random() < 0.1:
            copy[text(rng)] = value(rng)
        return copy
    if isinstance(document, list) and document:
        copy = list(document)
        where = rng.randrange(len(copy))
        copy[where] = changed(copy[where], rng)
        return copy
    return value(rng)
