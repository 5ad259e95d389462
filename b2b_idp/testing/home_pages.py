"""The pages of the scripted home tenant: sign in, second factor. Plain forms, one stylesheet, no script."""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from flask import Response, render_template_string

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; "
    "base-uri 'none'; frame-ancestors 'none'",
}

_LAYOUT = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{{ "Error: " if error }}{{ title }} – {{ domain }}</title>
  <link rel="stylesheet" href="/home.css">
  <link rel="icon" href="data:,">
</head>
<body>
  <header><span class="badge" aria-hidden="true">{{ domain[0] | upper }}</span> {{ domain }}</header>
  <main>
    <h1>{{ title }}</h1>
    {% if error %}<p role="alert" id="error">{{ error }}</p>{% endif %}
    BODY
  </main>
  <footer>A home tenant for trying things out. It asks for a second factor only when asked to.</footer>
</body>
</html>"""

_SIGN_IN = """<form method="post" action="/sign-in">
      <input type="hidden" name="login" value="{{ login }}">
      <label for="username">Work e-mail</label>
      <input id="username" name="username" type="email" value="{{ username }}" autocomplete="username"
      required list="people" {{ 'aria-invalid="true" aria-describedby="error"' | safe if error }}>
      <datalist id="people">{% for p in people %}<option value="{{ p }}">{% endfor %}</datalist>
      <label for="password">Password</label>
      <input id="password" name="password" type="password" autocomplete="current-password" required
        {{ 'aria-invalid="true" aria-describedby="error"' | safe if error }}>
      <label class="tick"><input type="checkbox" name="mfa" value="1"> Use my authenticator as well</label>
      <button>Sign in</button>
    </form>"""

_SECOND = """<p>Signed in as <strong>{{ username }}</strong>. {{ why }}</p>
    <form method="post" action="/second-factor">
      <input type="hidden" name="login" value="{{ login }}">
      <label for="code">Code of your authenticator</label>
      <input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="7" required
      autofocus aria-describedby="hint{{ ' error' if error }}" {{ 'aria-invalid="true"' | safe if error }}>
      <p id="hint" class="hint">Here any six digits will do.</p>
      <button>Go on</button>
    </form>"""

_TEXT = "<p>{{ text }}</p>"

_CSS = """:root { color-scheme: light dark; --accent: hsl(HUE 60% 30%); --on: #fff; --tint: hsl(HUE 40% 95%);
  --ground: #fff; --text: #1b1f24; --soft: #57606a; --edge: #8a939d; --bad: #a4262c; }
@media (prefers-color-scheme: dark) { :root { --accent: hsl(HUE 60% 75%); --on: #10151a; --tint: hsl(HUE 20%
12%); --ground: #181d22; --text: #e8ebee; --soft: #aab4be; --edge: #7c8791; --bad: #ff9d9b; } }
*, *::before, *::after { box-sizing: border-box; }
body { min-height: 100vh; margin: 0; padding: 8vh 1rem 2rem; background: var(--tint); color: var(--text);
  font: 100%/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header, main, footer { width: min(24rem, 100%); margin: 0 auto; }
header { display: flex; align-items: center; gap: 0.6rem; margin-bottom: 1rem; font-weight: 600;
  overflow-wrap: anywhere; }
.badge { display: grid; place-items: center; width: 2.2rem; height: 2.2rem; border-radius: 0.6rem;
  background: var(--accent); color: var(--on); }
main { padding: 1.75rem; border-radius: 0.9rem; background: var(--ground); box-shadow: 0 1px 3px #0003, 0
8px 24px #0001; } h1 { margin: 0 0 0.5rem; font-size: 1.5rem; line-height: 1.2; }
label { display: block; margin: 1rem 0 0.25rem; font-weight: 600; }
input:not([type=checkbox]) { width: 100%; min-height: 2.9rem; padding: 0.5rem 0.75rem; font: inherit; color:
inherit; background: var(--ground); border: 1px solid var(--edge); border-radius: 0.5rem; }
input[aria-invalid] { border-color: var(--bad); }
#code { font-size: 1.3rem; letter-spacing: 0.25em; }
.tick { display: flex; align-items: center; gap: 0.6rem; font-weight: 400; }
.tick input { width: 1.25rem; height: 1.25rem; accent-color: var(--accent); }
button { width: 100%; min-height: 2.9rem; margin-top: 1.25rem; border: 0; border-radius: 0.5rem; font:
inherit; font-weight: 600; background: var(--accent); color: var(--on); cursor: pointer; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
[role=alert] { margin: 0.75rem 0 0; color: var(--bad); font-weight: 600; }
.hint, footer { color: var(--soft); font-size: 0.9rem; }
.hint { margin: 0.25rem 0 0; }
footer { margin-top: 1.25rem; }
"""


def sign_in_page(domain: str, login: str, username: str, people: Iterable[str], error: str = "") -> Response:
    return _page(_SIGN_IN, domain, "Sign in", error, login=login, username=username, people=sorted(people))


def second_factor_page(domain: str, login: str, username: str, why: str, error: str = "") -> Response:
    return _page(_SECOND, domain, "Your second factor", error, login=login, username=username, why=why)


def problem_page(domain: str, text: str) -> Response:
    response = _page(_TEXT, domain, "This did not work", "", text=text)
    response.status_code = 400
    return response


def signed_out_page(domain: str) -> Response:
    return _page(_TEXT, domain, "You are signed out", "", text="Nobody is signed in here in this browser any more.")


def stylesheet(domain: str) -> Response:
    """Each home has a colour of its own, so that nobody takes one for another."""
    return Response(_CSS.replace("HUE", str(crc32(domain.encode()) % 360)), content_type="text/css")


def _page(body: str, domain: str, title: str, error: str, **values: object) -> Response:
    text = render_template_string(_LAYOUT.replace("BODY", body), domain=domain, title=title, error=error, **values)
    return Response(text, content_type="text/html; charset=utf-8", headers=_HEADERS)
