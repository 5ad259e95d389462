"""What is no compact JWS, and what is no JSON as it should be."""

from __future__ import annotations

import json

from tests.homes.vectors.table import NOW, b64


def encodings(t):
    good = t.token()
    head, claims, sig = good.split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 256 bytes leave two characters of which the last has four bits that say nothing
    loose = sig[:-1] + last[last.index(sig[-1]) + 1]
    spoilt = {
        "padded signature": f"{good}==",
        "padded claims": f"{head}.{claims}=.{sig}",
        "bits that say nothing set in the signature": f"{head}.{claims}.{loose}",
        "a blank before": f" {good}",
        "a newline after": f"{good}\n",
        "a newline within": f"{head}.{claims[:20]}\n{claims[20:]}.{sig}",
        "the standard alphabet": f"{head}.{claims}.+/{sig[2:]}",
        "a letter beyond ASCII": f"{head}.{claims}.é{sig[1:]}",
        "a NUL after": f"{good}\0",
        "one character too many": f"{good}A",
        "percent-encoded": good.replace(".", "%2E"),
        "one part": head,
        "two parts": f"{head}.{claims}",
        "an empty signature": f"{head}.{claims}.",
        "an empty header": f".{claims}.{sig}",
        "empty claims": f"{head}..{sig}",
        "four parts": f"{good}.{sig}",
        "five parts": ".".join([b64(b'{"alg":"RSA-OAEP","enc":"A256GCM"}'), *[sig] * 4]),
        "an encrypted token, unkeyed and compressed": ".".join([b64(b'{"alg":"dir","enc":"A256GCM","zip":"DEF"}')] * 5),
        "dots alone": "..",
        "nothing": "",
        "the scheme before": f"Bearer {good}",
        "the flattened JSON form": json.dumps({"protected": head, "payload": claims, "signature": sig}),
        "the general JSON form": json.dumps({"payload": claims, "signatures": [{"protected": head, "signature": sig}]}),
        "claims of another token": f"{head}.{b64(json.dumps(t.claims(sub='eve')).encode())}.{sig}",
        "the header of another token": f"{b64(json.dumps(t.header(x=1)).encode())}.{claims}.{sig}",
        "quotes around": f'"{good}"',
    }
    for says, token in spoilt.items():
        t.add("encoding", says, token)


def json_texts(t):
    whole = json.dumps(t.claims())
    texts = {
        "a list": b"[]",
        "a list of claims": f"[{whole}]".encode(),
        "a text": b'"claims"',
        "a number": b"1",
        "null": b"null",
        "true": b"true",
        "nothing but a blank": b" ",
        "no JSON": b"sub=ada-1",
        "an open object": whole[:-1].encode(),
        "something behind": f"{whole}x".encode(),
        "a second object behind": f"{whole}{{}}".encode(),
        "a comma too many": f"{whole[:-1]},}}".encode(),
        "single quotes": whole.replace('"', "'").encode(),
        "a comment": f"/**/{whole}".encode(),
        "a byte order mark": b"\xef\xbb\xbf" + whole.encode(),
        "UTF-16": whole.encode("utf-16-le"),
        "no UTF-8": whole.encode().replace(b"ada-1", b"ada\xff1"),
        "an overlong letter": whole.encode().replace(b"ada-1", b"ad\xc1\xa1-1"),
        "half a surrogate pair": whole.replace("ada-1", "ada\\ud800").encode(),
        "a raw newline in a text": whole.replace("ada-1", "ada\n1").encode(),
        "depth": f'{whole[:-1]},"x":{"[" * 500}{"]" * 500}}}'.encode(),
        "depth of objects": f'{whole[:-1]},"x":{"{"}"a":{"[" * 40}1{"]" * 40}}}}}'.encode(),
    }
    for name, again in (("sub", '"eve"'), ("iss", '"x"'), ("aud", '"b2b"'), ("exp", "1900000000"), ("x", "1")):
        texts[f"{name} twice"] = f'{whole[:-1]},"{name}":{again},"{name}":{again}}}'.encode()
    texts["sub twice, once escaped"] = f'{whole[:-1]},"\\u0073ub":"eve"}}'.encode()
    texts["a member twice further down"] = f'{whole[:-1]},"x":{{"y":1,"y":2}}}}'.encode()
    for said in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400"):
        texts[f"{said} somewhere"] = f'{whole[:-1]},"x":{said}}}'.encode()
        texts[f"exp {said}"] = whole.replace(str(NOW + 300), said).encode()
    texts["a number of 5,000 digits"] = f'{whole[:-1]},"x":{"9" * 5000}}}'.encode()
    for said in ("0x6b49d200", "01800000300", "+1800000300", "1_800_000_300", "1800000300."):
        texts[f"exp {said}"] = whole.replace(str(NOW + 300), said).encode()
    for says, text in texts.items():
        t.add("JSON", f"claims: {says}", t.token(claims=text))
    nested = t.token(t.header(cty="JWT"), claims=t.token().encode())
    t.add("JSON", "claims: a whole token within", nested)
    head = json.dumps(t.header())
    for says, text in {
        "a list": f"[{head}]",
        "a text": '"RS256"',
        "null": "null",
        "alg twice": f'{head[:-1]},"alg":"RS256"}}',
        "alg twice, once escaped": f'{head[:-1]},"\\u0061lg":"RS256"}}',
        "kid twice": f'{head[:-1]},"kid":"rsa"}}',
        "NaN": f'{head[:-1]},"x":NaN}}',
        "half a surrogate pair": f'{head[:-1]},"x":"\\udfff"}}',
        "depth": f'{head[:-1]},"x":{"[" * 200}{"]" * 200}}}',
    }.items():
        t.add("JSON", f"header: {says}", t.token(text.encode()))
