"""The text of a log fit for other eyes: no home folder, no folder that the environment names, and no secret of it."""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import unquote

from phasemap.train.provenance import home

SECRET = re.compile(
    r"SECRET|TOKEN(?!IZ)|PASSW|PASSPHRASE|API_?KEY|CREDENTIAL|CONNECTION_?STRING|WEBHOOK|BEARER|COOKIE"
    r"|(?:^|_)(?:KEYS?|PASS|PWD?|AUTH|CREDS?|PRIVATE|PAT|JWT|SAS|DSN|OTP|PIN|SIGNATURE)(?:_|\d|$)"
    r"|(?<!MON)(?<!HOT)KEY$|(?<!BY)(?<!COM)PASS$|PWD$"
)
"""In a variable's name, in capitals and with its words apart: its value is secret, however short."""
FOLDERS = ("PWD", "OLDPWD")
"""Variables that sound secret and hold the current folder."""
PASSWORD = re.compile(r"\w[\w+.-]*://[^/\s:@]*:([^/\s@]+)@")
"""In an address, whatever its variable is called."""
PEOPLE = re.compile(r"(?:^|_)(?:USER|LOGNAME|USERNAME|HOST|HOSTNAME|NODENAME|NODELIST)$", re.IGNORECASE)
"""In the name of a variable that holds a person's or a machine's."""
SWITCHES = {
    "0",
    "1",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "none",
    "null",
    "auto",
    "default",
    "enabled",
    "disabled",
}
"""Values that keep no secret, whatever their variable is called."""
NAMED = {"\n": "n", "\r": "r", "\t": "t", "\f": "f", "\b": "b", "\v": "v", "\a": "a"}
LONG = 8
"""Characters from which on a value is told from common words and numbers, and a part of a secret is one itself."""
GLUED = 4
"""Characters from which on a secret is seen also within a word."""


def redacted(text: str) -> str:
    """The text with ``~`` for home folders, and the variable's name for values of the environment: secrets (by the
    variable's name) in whatever spelling and glued to whatever, folders and names of people and machines as they are.
    """
    for name, value in sorted(_secrets(), key=lambda secret: -len(secret[1])):
        text = _spellings(value).sub(f"${name}", text)
    words = {value: f"${name}" for name, value in os.environ.items() if _is_private(name, value)}
    words |= {home(): "~"} if home() else {}
    if words:
        any_of_them = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
        text = re.sub(rf"(?<!\w)(?:{any_of_them})(?!\w)", lambda found: words[found[0]], text)
    return re.sub(r"(?<![\w.~])/(home|Users)/[^/\s:'\"]+", "~", text)


def _is_private(name: str, value: str) -> bool:
    """Whether it is no secret but nobody's business: a folder, a person, a machine."""
    return len(value) >= LONG and name != "HOME" and ("/" in value or bool(PEOPLE.search(name)))


def _secrets() -> Iterator[tuple[str, str]]:
    """Variables and what of their values is secret: the whole, its lines, its words, the password of an address."""
    for name, value in os.environ.items():
        passwords = {form for found in PASSWORD.findall(value) for form in (found, unquote(found))}
        words = re.sub(r"(?<=[a-z\d])(?=[A-Z])", "_", name).upper()
        if SECRET.search(words) and name not in FOLDERS:
            passwords |= {value, value.strip(), *(part for part in value.split() if len(part) >= LONG)}
        yield from ((name, part) for part in passwords if part.strip() and part.lower() not in SWITCHES)


@cache
def _spellings(value: str) -> re.Pattern[str]:
    """What finds a secret as programs write it: letter by letter as it is or escaped, and in hexadecimal or base64.

    Also within words, unless it is so short that it may be a part of any, or of any number.
    """
    data = value.encode(errors="surrogateescape")
    letters = "".join(map(_letter, value))
    if len(value) < (LONG if value.isdigit() else GLUED):
        return re.compile(rf"(?<![\w.]){letters}(?!\w)")
    coded = {data.hex(), data.hex().upper()}
    for before in range(3):  # its place among the threes of bytes that become four letters
        four = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        whole = four[(0, 2, 3)[before] : (len(data) + before) * 4 // 3]
        coded |= {whole, whole.replace("+", "-").replace("/", "_")}
    return re.compile("|".join([letters, *(re.escape(one) for one in coded if len(one) > GLUED)]))


def _letter(letter: str) -> str:
    """What finds one letter as it is, in an address, in Python and JSON (also within each other), HTML and shells."""
    data, code = letter.encode(errors="surrogateescape"), ord(letter)
    pairs = letter.encode("utf-16-be", errors="surrogatepass").hex()
    escaped = ["".join(f"%{byte:02x}" for byte in data), "".join(rf"\\+x{byte:02x}" for byte in data)]
    escaped += ["".join(rf"\\+u{pairs[i : i + 4]}" for i in range(0, len(pairs), 4)), rf"\\+U{code:08x}"]
    escaped += [rf"\\+x{code:02x}", f"&#0*{code};", f"&#x0*{code:x};"]
    plain = [re.escape(letter) if letter.isalnum() else rf"\\*{re.escape(letter)}", re.escape(html.escape(letter))]
    plain += {
        " ": [r"\+"],
        "'": ["'\"'\"'", r"'\\+''"],
        **{control: [rf"\\+{name}"] for control, name in NAMED.items()},
    }.get(letter, [])
    return f"(?:{'|'.join(dict.fromkeys(plain))}|(?i:{'|'.join(dict.fromkeys(escaped))}))"
