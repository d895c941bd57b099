"""Time-based one-time passwords as RFC 6238 has them, for what an authenticator app would show."""

import base64
import hashlib
import hmac


def code(secret: str, *, at: float) -> str:
    """Return the six digits that an app with that base32 secret shows at a Unix time."""
    key = base64.b32decode(secret)
    digest = hmac.digest(key, (int(at) // 30).to_bytes(8, "big"), hashlib.sha1)
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"
