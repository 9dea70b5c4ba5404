"""Secrets of the environment do not stay in a log, however they are written there; and other words do."""

from __future__ import annotations

import base64
import html
import json
import random
import shlex
import string
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from phasemap.train.redaction import redacted

NAMES = (
    "WANDB_API_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "HF_TOKEN",
    "GITHUB_PAT",
    "DB_PASSWORD",
    "MYSQL_PWD",
    "PGPASSWORD",
    "dbPassword",
    "SSH_PRIVATE_KEY",
    "ACCESS_TOKEN",
    "SLACK_WEBHOOK_URL",
    "AZURE_STORAGE_CONNECTION_STRING",
    "OPENAI_APIKEY",
    "apiKey",
    "BASIC_AUTH",
    "PIN",
    "SENTRY_DSN",
    "SMTP_PASS",
    "SESSION_COOKIE",
    "DBPASS",
    "MYKEY",
    "my_secret",
    "GPG_PASSPHRASE",
    "AZURE_SAS_1",
    "JWT",
)
ORDINARY = (
    "SLURM_JOB_NAME",
    "XDG_SESSION_TYPE",
    "TOKENIZERS_PARALLELISM",
    "KEYBOARD_LAYOUT",
    "GIT_AUTHOR_NAME",
    "BYPASS_CACHE",
    "LANGUAGE",
    "MONKEY_MODE",
    "EXPERIMENT",
    "PIPELINE",
    "COMPASS",
    "COMPAT_LEVEL",
    "SPINNER",
    "AUTHOR",
    "PATTERN",
)
SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    repr,
    ascii,
    lambda secret: repr(secret.encode()),
    lambda secret: repr({"key": secret}),
    lambda secret: repr(ValueError(f"bad key {secret!r}")),
    json.dumps,
    lambda secret: json.dumps({"a": secret}, ensure_ascii=False),
    lambda secret: json.dumps(json.dumps({"a": secret})),
    quote,
    lambda secret: quote(secret, safe=""),
    quote_plus,
    lambda secret: quote(secret, safe="").replace("%2F", "%2f"),
    lambda secret: "".join(f"&#{ord(letter)};" for letter in secret),
    lambda secret: "".join(f"\\u{ord(letter):04X}" for letter in secret),
    lambda secret: repr(json.dumps(repr(secret))),
    shlex.quote,
    html.escape,
    lambda secret: base64.b64encode(secret.encode()).decode(),
    lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    lambda secret: base64.b64encode(f"api:{secret}".encode()).decode(),
    lambda secret: base64.b64encode(f"u:{secret}@x".encode()).decode(),
    lambda secret: base64.b64encode(f"me:{secret}!".encode()).decode(),
    lambda secret: secret.encode().hex(),
    lambda secret: f"https://me:{secret}@example.org/x",
    lambda secret: f"Authorization: Bearer{secret}",
)
LETTERS = string.ascii_letters + string.digits


def secret_of(draw: random.Random) -> str:
    """A key, a password, a phrase, a private key: short, long, with every kind of letter."""
    match draw.randrange(5):
        case 0:
            return "".join(draw.choices(LETTERS, k=40))
        case 1:
            return "".join(draw.choices(LETTERS, k=draw.randrange(4, 8))) + draw.choice("xyz")
        case 2:
            return "".join(draw.choices(LETTERS + "/+=@:%$&'\"\\<>#?! äλ", k=20)) + "Q"
        case 3:
            lines = ["".join(draw.choices(LETTERS + "+/", k=64)) for _ in range(4)]
            return "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])
        case _:
            return " ".join("".join(draw.choices(string.ascii_lowercase, k=9)) for _ in range(3))


def try_secrets(monkeypatch: pytest.MonkeyPatch, seed: int, count: int) -> None:
    draw = random.Random(seed)
    for trial in range(count):
        name, secret = draw.choice(NAMES), secret_of(draw)
        with monkeypatch.context() as patch:
            patch.setenv(name, secret)
            for spell in SPELLINGS:
                written = spell(secret)
                before, after = draw.choice(["", " ", "x", "key=", "'", "\n"]), draw.choice(["", " ", "y", "\n", "'"])
                found = redacted(f"{before}{written}{after} and phasemap trains on")
                where = f"seed {seed}, trial {trial}: {name}={secret!r} as {written!r} -> {found!r}"
                parts = {secret.strip(), *(line for line in secret.split() if len(line) > 7), written.strip("'\"")}
                assert not [part for part in parts if part in found], where
                assert f"${name}" in found, where
                assert found.endswith(" and phasemap trains on"), where


def test_a_secret_is_taken_out_in_every_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    try_secrets(monkeypatch, 0, 8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_many_secrets(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    try_secrets(monkeypatch, seed, 100)


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_words_stay(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text = "phasemap: tile 12345678 failed in batchnorm_mlp; false, true"
    for value in ("phasemap", "batchnorm_mlp", "12345678", "false"):
        monkeypatch.setenv(name, value)
        assert redacted(text) == text


@pytest.mark.parametrize("value", ["", " ", "1", "true", "none"])
def test_a_switch_is_no_secret(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("USE_TOKEN", value)
    assert redacted("1 is true and none other") == "1 is true and none other"


def test_short_secrets_leave_numbers_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIN", "1234")
    monkeypatch.setenv("MY_PASS", "ab")
    assert redacted("0.123456 tables, pin 1234: ab") == "0.123456 tables, pin $PIN: $MY_PASS"


def test_the_password_in_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://ada:hun%2Fter2@db/runs")
    assert "hun" not in redacted("postgres://ada:hun%2Fter2@db/runs, user ada, password hun/ter2")
