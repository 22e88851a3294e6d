"""A key of each shape of the table, and texts that only begin like one."""

import random
import re

from telemetry.key_shapes import SHAPES, KeyShape

PAYLOAD = "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6Im5vYm9keSJ9"
JWT = f"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{PAYLOAD}.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
ENCRYPTED_JWT = (
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9o.XFBo"
)
PEM = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIabc+/=\n-----END RSA PRIVATE KEY-----"
PGP = "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQVYBF\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----"


def _sample(shape: KeyShape) -> str:
    characters = [chr(code) for code in range(33, 127) if re.match(f"[{shape.alphabet}]", chr(code))]
    choice = random.Random(shape.prefix)
    body = "".join(choice.choices(characters, k=max(shape.least, 24)))
    return f"{'1234567890' if shape.prefix.startswith(':') else ''}{shape.prefix}{body}"


PREFIXED = {shape.prefix: _sample(shape) for shape in SHAPES}
TOO_SHORT = {shape.prefix: _sample(shape)[: len(shape.prefix) + 5] for shape in SHAPES}
WORDS = {
    shape.prefix: f"{shape.prefix}some-button_primary.large-2"[: len(shape.prefix) + 40]
    for shape in SHAPES
    if shape.name_like
}
