"""What keys and tokens look like: one table, for what is scrubbed from telemetry and for what a policy redacts.

Most keys begin with letters that only their issuer uses (`SHAPES`). Others are known by their form (JSON web tokens,
private key blocks), or by what stands before them: a name (`password=`, `"api_key": `), a scheme (`Bearer`), or the
user of a URL. A prefix is found by its last character, which is rare in prose, so ordinary text is passed at the speed
of a search for a few characters, and hostile text in linear time.
"""

import re
from typing import NamedTuple

BOUNDARY = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2}))"
"""A key begins after no letter or digit, but for those of an escape: of JSON within a text, or of a URL."""

_ALNUM = "A-Za-z0-9"
_WORD = "A-Za-z0-9_-"
_DOTTED = "A-Za-z0-9_.-"
_BASE64 = "A-Za-z0-9+/="
_HEX = "0-9a-f"


class KeyShape(NamedTuple):
    """`prefix`, then at least `least` characters of `alphabet` (the inside of a regular expression's class)."""

    issuer: str
    prefix: str
    alphabet: str
    least: int
    before: str = BOUNDARY
    """What stands before it: an assertion that looks behind."""

    name_like: bool = False
    """Names of classes and functions begin so too: what consists of words is no key then."""


SHAPES = (
    KeyShape("OpenAI, DeepSeek, LiteLLM and others", "sk-", _WORD, 16, name_like=True),
    KeyShape("OpenAI", "sk-proj-", _WORD, 16),
    KeyShape("OpenAI", "sk-svcacct-", _WORD, 16),
    KeyShape("OpenAI", "sk-admin-", _WORD, 16),
    KeyShape("Anthropic", "sk-ant-", _WORD, 16),
    KeyShape("OpenRouter", "sk-or-", _WORD, 16),
    KeyShape("Langfuse", "sk-lf-", _WORD, 16),
    KeyShape("Langfuse", "pk-lf-", _WORD, 16),
    KeyShape("Groq", "gsk_", _ALNUM, 20, name_like=True),
    KeyShape("xAI", "xai-", _WORD, 20, name_like=True),
    KeyShape("Hugging Face", "hf_", _ALNUM, 20, name_like=True),
    KeyShape("Hugging Face", "api_org_", _ALNUM, 20, name_like=True),
    KeyShape("Perplexity", "pplx-", _ALNUM, 20, name_like=True),
    KeyShape("Replicate", "r8_", _ALNUM, 20, name_like=True),
    KeyShape("Fireworks", "fw_", _ALNUM, 16, name_like=True),
    KeyShape("Cerebras", "csk-", _ALNUM, 20, name_like=True),
    KeyShape("Together", "tgp_v1_", _WORD, 20),
    KeyShape("NVIDIA", "nvapi-", _WORD, 20, name_like=True),
    KeyShape("LangSmith", "lsv2_", _WORD, 20, name_like=True),
    KeyShape("Tavily", "tvly-", _WORD, 20, name_like=True),
    KeyShape("Pinecone", "pcsk_", _WORD, 20, name_like=True),
    KeyShape("ElevenLabs", "sk_", _HEX, 32),
    KeyShape("Google", "AIza", _WORD, 35),
    KeyShape("Google", "AQ.", _WORD, 35, name_like=True),
    KeyShape("Google OAuth", "ya29.", _DOTTED, 20, name_like=True),
    KeyShape("Google OAuth", "GOCSPX-", _WORD, 20),
    KeyShape("Google OAuth", "1//0", _WORD, 20),
    KeyShape("AWS", "AKIA", "A-Z0-9", 16),
    KeyShape("AWS", "ASIA", "A-Z0-9", 16),
    KeyShape("AWS", "ABIA", "A-Z0-9", 16),
    KeyShape("AWS", "ACCA", "A-Z0-9", 16),
    KeyShape("AWS Bedrock", "ABSK", _BASE64, 40),
    KeyShape("Databricks", "dapi", _HEX, 32),
    KeyShape("DigitalOcean", "dop_v1_", _HEX, 32),
    KeyShape("DigitalOcean", "doo_v1_", _HEX, 32),
    KeyShape("DigitalOcean", "dor_v1_", _HEX, 32),
    KeyShape("GitHub", "ghp_", _ALNUM, 20),
    KeyShape("GitHub", "gho_", _ALNUM, 20),
    KeyShape("GitHub", "ghu_", _ALNUM, 20),
    KeyShape("GitHub", "ghs_", _DOTTED, 20),
    KeyShape("GitHub", "ghr_", _ALNUM, 20),
    KeyShape("GitHub", "github_pat_", "A-Za-z0-9_", 22),
    KeyShape("GitLab", "glpat-", _DOTTED, 20),
    KeyShape("GitLab", "gldt-", _WORD, 20),
    KeyShape("GitLab", "glrt-", _DOTTED, 20),
    KeyShape("GitLab", "glcbt-", _WORD, 20),
    KeyShape("GitLab", "glptt-", _WORD, 20),
    *(KeyShape("Slack", f"xox{kind}-", "A-Za-z0-9.-", 10) for kind in "abceoprsx"),
    KeyShape("Slack", "xapp-", "A-Za-z0-9-", 20, name_like=True),
    *(
        KeyShape("Stripe", f"{kind}_{mode}_", _ALNUM, 16)
        for kind in ("sk", "rk", "pk")
        for mode in ("live", "test", "org")
    ),
    KeyShape("Stripe", "whsec_", _BASE64, 24, name_like=True),
    KeyShape("Twilio", "SK", _HEX, 32),
    KeyShape("SendGrid", "SG.", _DOTTED, 40, name_like=True),
    KeyShape("Telegram", ":AA", _WORD, 32, r"(?<=[0-9]{8})"),
    KeyShape("npm", "npm_", _ALNUM, 30, name_like=True),
    KeyShape("PyPI", "pypi-", _WORD, 40, name_like=True),
    KeyShape("Docker", "dckr_pat_", _WORD, 20),
    KeyShape("HashiCorp Vault", "hvs.", _WORD, 20, name_like=True),
    KeyShape("Grafana", "glsa_", "A-Za-z0-9_", 30),
    KeyShape("Shopify", "shpat_", _HEX, 30),
    KeyShape("Sentry", "sntrys_", "A-Za-z0-9+/=_", 40),
    KeyShape("Linear", "lin_api_", _ALNUM, 30, name_like=True),
    KeyShape("Notion", "ntn_", _ALNUM, 30, name_like=True),
    KeyShape("Supabase", "sbp_", _HEX, 32),
)

JWT_BOUNDARY = rf"(?:(?<![{_WORD}])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{{2}}))"
JWT_HEADER = rf"eyJ[{_WORD}]{{10,1024}}+\."
JWT_REST = rf"(?:[{_WORD}]|\.[{_WORD}])"
"""One step of what follows the header's dot: a payload and a signature, or the parts of an encrypted token."""

PEM_BEGIN = r"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----"
PEM_TEXT = r"(?:[A-Za-z0-9+/=\s\\:,]|-[A-Za-z0-9])"
PEM_END = r"-----END [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)?-----"

QUOTE = r"\\{0,3}[\"'`]?"
NAMES = (
    *(f"{kind} key" for kind in ("api", "access", "master", "private", "subscription", "account", "signing", "secret")),
    *(f"{kind} key id" for kind in ("api", "access", "private")),
    *(f"{kind} token" for kind in ("api", "access", "auth", "refresh", "id", "session", "security", "bearer", "bot")),
    *("secret access key", "shared access key", "encryption key", "client secret", "secret", "authorization"),
    *("password", "passwd", "passphrase", "credential", "credentials"),
)
"""How names of secrets end, in any case and with `-`, `_` or nothing between the words: `DB_PASSWORD`, `x-api-key`."""
WHOLE_NAMES = ("token", "pwd")
QUERY_NAMES = ("key", "token", "sig", "signature", "code")
"""Names in the query of a URL."""
LAST_WORDS = tuple(dict.fromkeys(name.rpartition(" ")[2] for name in (*NAMES, *WHOLE_NAMES, *QUERY_NAMES)))
"""The last words of all names, in a few characters before the colon: most of what precedes a colon is none of them."""
_LAST_LETTERS = "(?i:key|.id|ken|ret|ord|swd|ase|ial|als|ion|pwd|sig|ure|ode)"
_QUOTED = "|".join(rf"(?<={_LAST_LETTERS}.{{{width}}})" for width in range(2, 8))
_NAMED = rf"(?<=[a-zA-Z].)(?<={_LAST_LETTERS}.)|(?<=[\"'`\s].)(?:{_QUOTED})"
CONTEXT = re.compile(
    rf"[:=Bb](?:(?<=[:=])(?:{_NAMED})|(?<=[Bb])(?<![A-Za-z].)(?:(?i:earer)()|(?i:asic)())\s{{1,4}}+)", re.DOTALL
)
"""A colon or an equals sign that may follow one of the names, or a scheme: group 1 is `Bearer `, group 2 `Basic `."""

LONGEST_NAME = 128
_JOINERS = "-_./"
_WORD_OR_NUMBER = r"(?>[A-Z]{3,15}|[a-z]{0,15}(?:[A-Z][a-z]{0,15}){0,2})(?:[0-9]{1,4}[a-z]{0,3})?"
_WORDS = re.compile(rf"{_WORD_OR_NUMBER}(?:[_.-]{_WORD_OR_NUMBER})*")


def is_words(text: str) -> bool:
    """Whether it is made of words and small numbers, as names of classes and functions are. If it is, so is each
    beginning of it. What is longer than such names are counts as a key, whatever it says."""
    return len(text) < LONGEST_NAME and _WORDS.fullmatch(text) is not None


def next_stem(text: str, start: int) -> tuple[int, int] | None:
    """The first stem of a key's prefix that ends after `start`, from where to where."""
    head = HEAD.search(text, start)
    return (head.end() - _WIDTHS[head.lastindex or 0], head.end()) if head else None


def _stem(prefix: str) -> str:
    """The beginning of a prefix that is searched for: up to its first character that is rare in prose, or all of it."""
    end = next((at for at, character in enumerate(prefix) if character in _JOINERS), len(prefix))
    return prefix[: end + 1]


def _shapes_of_stems() -> dict[str, list[KeyShape]]:
    stems: dict[str, list[KeyShape]] = {}
    for shape in sorted(SHAPES, key=lambda shape: -len(shape.prefix)):
        stems.setdefault(_stem(shape.prefix), []).append(shape)
    return stems


SHAPES_OF = _shapes_of_stems()
"""By stem, those with the longest prefix first."""


def _head() -> tuple[re.Pattern[str], list[int]]:
    """What ends with a stem, and how long the stem is by the number of the group that matched."""
    widths, choices = [0], []
    triggers = {stem[-1] if stem[-1] in _JOINERS else stem[0] for stem in SHAPES_OF}
    for trigger in sorted(triggers, reverse=True):
        joins = trigger in _JOINERS
        stems = [stem for stem in SHAPES_OF if stem[-1 if joins else 0] == trigger and (stem[-1] in _JOINERS) == joins]
        of_width = []
        for width in sorted({len(stem) for stem in stems}, reverse=True):
            alike = [stem for stem in stems if len(stem) == width]
            literals = "|".join(re.escape(stem if joins else stem[1:]) for stem in alike)
            of_width.append(f"(?{'<=' if joins else ':'}{literals})()")
            widths.append(width)
        # Most of these characters are told from the end of a stem by the one before.
        before = f"[{''.join(sorted({stem[-2] for stem in stems}))}]" if joins else ""
        choices.append(f"(?<={before}{re.escape(trigger)})(?:{'|'.join(of_width)})")
    return re.compile(f"[{re.escape(''.join(triggers))}](?:{'|'.join(choices)})"), widths


HEAD, _WIDTHS = _head()
