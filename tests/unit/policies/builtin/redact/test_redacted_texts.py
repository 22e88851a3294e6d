"""What is redacted and what is not: tables of texts, each as it must come out of all built-in patterns."""

import pytest

from app.policies.builtin.redact.patterns import BUILTIN
from app.policies.builtin.redact.stream_redactor import Detector, Redaction, StreamRedactor, redact
from tests.unit.telemetry.key_samples import ENCRYPTED_JWT, JWT, PEM, PGP, PREFIXED, TOO_SHORT, WORDS

ALL = Detector(Redaction(pattern, f"[{pattern.name.upper()}]") for pattern in BUILTIN.values())

NUMBERS = """
1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
01 02 03 04 05 06 07 08 09 10
010 020 030 040 050
001 002 003 004 005 006
100 200 300 400 500 600 700 800 900 1000
200 300 4000 500 600 7000
2019 2020 2021 2022 2023 2024
1.5 2.25 3.125 4.0625 5.03125
1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16
id,year,total\t1001,2023,4500\t1002,2024,5200
1 000 000 000
12 345 678 901
1,000,000,000.00
1_000_000_000
2024-01-01 10:30:00
2024-11-28T19:28:59.123456Z
01-02-2024 10:30
28.11.2024 10:30
1732822139
1732822139123
1732822139123456789
3.14159265358979323846
0.4111111111111111
card 4111111111111112 fails its check
192.168.100.200 10.0.0.1
127.0.0.1:8080
2001:0db8:85a3:0000:0000:8a2e:0370:7334
550e8400-e29b-41d4-a716-446655440000
00-14-22-01-23-45
d41d8cd98f00b204e9800998ecf8427e
INV-2024-0012-3456
ISBN 978-3-16-148410-0
@@ -1,7 +1,9 @@
order 1234567890
"""
NO_ADDRESSES = """
image@2x.png icon@3x.webp
+@app.route
-@pytest.mark.parametrize(1)
git@github.com:org/repo.git
ssh://git@github.com/org/repo.git
user@localhost root@db1
npm install left-pad@1.2.3 @types/node@20.11.5 pkg@1.2.3-beta.rc
actions/checkout@v4 tool@v1.2.alpha
@app.route("/") @pytest.mark.parametrize
C = A @ B.T
"""
NO_KEYS = """
sk-learn sk-button-primary-container-large
sk-toggleable__content sk-estimator-doc-link sk-parallel-item-2
class="sk-Container-Large sk-text-2xl-bold-center"
sk_buff_alloc_something2(dev)
hf_transfer hf_model_name_or_path
fw_update_firmware_version
xai-org gsk_renderer_new_for_surface
npm_config_registry npm_lifecycle_event
a risk-taking-and-long-word-indeed
max_tokens: 1000, total_tokens=2000
token: str, api_key: Optional[str] = None
api_key=os.environ["OPENAI_API_KEY"]
password = getpass.getpass()
password=hash2(value)
secret_key=settings.SECRET_KEY
"password": {"type": "string", "minLength": 12}
password: required, 8-16 characters
token=$TOKEN_1 api_key=${API_KEY_2}
The bearer of bad news
Authorization: Bearer <token>
Authorization: Bearer YOUR_API_KEY
basic authentication basic understanding
http://localhost:8080/path https://example.org:443
https://example.org/a:b@c
eyJpZCI6MTIzNDU2Nzg5MCwibiI6MX0
-----BEGIN CERTIFICATE----- -----BEGIN PUBLIC KEY-----
"""
ADDRESSES = """
bob@example.org
bob.smith+tag@mail.example.co.uk
o_brien-x%y@sub-domain.example.museum
jürgen@müller.de
BOB@EXAMPLE.ORG
bob@163.com
bob@xn--bcher-kva.example
"""
PHONES = """
+49 170 1234567
+1 (555) 123-4567
+44 20 7946 0958
+33 1 23 45 67 89
+49 (0) 30 123456
+86 138 0013 8000
+15551234567
(555) 123-4567
555-123-4567
555.123.4567
555 123 4567
1-800-555-0199
06 12 34 56 78
06.12.34.56.78
030 1234567
0170 1234567
020 7946 0958
07700 900123
02 9876 5432
03-1234-5678
090-1234-5678
044 668 18 00
(030) 1234567
0049 170 1234567
011-4567-8901
"""
CARDS = """
4242424242424242
4222222222222
4000056655665556
5555555555554444
2223003122003222
5200828282828210
378282246310005
3714 496353 98431
6011111111111117
3056930009020004
36227206271667
6555900000604105
3566002020360505
6200000000000005
6205500000000000004
4111-1111-1111-1111
4111 1111 1111 1111
"""
NAMED_SECRETS = """
password=|hunter2
password: |hunter2
"password": "|S3cr3t!|"
DB_PASSWORD=|p@ssword
PASSWORD: |20240101
pwd=|abc12345
api_key=|0123456789abcdef0123
"api_key": "|abcd1234efgh5678|"
{\\"password\\": \\"|hunter2|\\"}
x-api-key: |0123456789abcdef0123456789abcdef
token: |a1b2c3d4e5f6a7b8
client_secret='|Xy12~abcdefgh34|'
aws_secret_access_key = |wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
AccountKey=|Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==
https://host.example/c?sv=2022&sig=|ab%2Bcd12efgh34%3D|&se=x
Bearer |abcdef0123456789abcdef
Authorization: bearer |abcdef0123456789abcdef
Authorization: Basic |dXNlcjpwYXNzd29yZA==
redis://:|s3cret|@localhost:6379
postgres://user:|hunter2|@localhost/x
"""


def lines(table: str) -> list[str]:
    return table.strip("\n").split("\n")


def by_character(text: str) -> str:
    redactor = StreamRedactor(ALL)
    return "".join(map(redactor.feed, text)) + redactor.flush()


@pytest.mark.parametrize("text", [*lines(NUMBERS), *lines(NO_ADDRESSES), *lines(NO_KEYS)])
def test_what_names_nobody_and_opens_nothing_stays(text: str) -> None:
    assert redact(text, ALL) == by_character(text) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (text, name)
        for name, table in (("EMAIL", ADDRESSES), ("PHONE", PHONES), ("CARD", CARDS))
        for text in lines(table)
    ],
)
def test_what_names_somebody_is_redacted_whole(text: str, name: str) -> None:
    around = f"so: {text}, 2 times ({text})."
    assert redact(around, ALL) == by_character(around) == f"so: [{name}], 2 times ([{name}])."


@pytest.mark.parametrize("text", lines(NAMED_SECRETS))
def test_what_is_called_a_secret_is_redacted_and_its_name_stays(text: str) -> None:
    before, _, after = text.split("|") if text.count("|") == 2 else (*text.split("|"), "")
    plain = text.replace("|", "")
    assert redact(plain, ALL) == by_character(plain) == f"{before}[SECRET]{after}"


@pytest.mark.parametrize("key", [*PREFIXED.values(), JWT, ENCRYPTED_JWT, PEM, PGP])
def test_a_key_of_each_shape_is_redacted(key: str) -> None:
    bot, _, _ = key.partition(":AA") if ":AA" in key else ("", "", "")
    text = f"use {key} now, or\n{key}"
    expected = f"use {bot}[SECRET] now, or\n{bot}[SECRET]"
    assert redact(text, ALL) == by_character(text) == expected


@pytest.mark.parametrize("text", [*TOO_SHORT.values(), *WORDS.values()])
def test_what_only_begins_like_a_key_is_not_redacted(text: str) -> None:
    assert redact(f"use {text} now", ALL) == by_character(f"use {text} now") == f"use {text} now"
