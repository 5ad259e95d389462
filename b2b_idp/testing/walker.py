"""A plain browser for tests and the demo: cookies, redirects and forms, no JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Protocol
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3

MAX_REDIRECTS = 20


@dataclass
class Form:
    """One form of a page: where it goes, what it holds already, the labels of its submit buttons."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """What a request led to. `name` is the page's `data-page`, `error` its `data-error`."""

    url: str
    status: int
    headers: Mapping[str, str]
    text: str
    name: str | None
    error: str | None
    forms: list[Form]
    links: list[str]
    visited: tuple[str, ...] = ()
    """The addresses that redirected here, in order."""
    passkey_options: str | None = None
    """What the page has to say to an authenticator, as JSON."""
    method: str | None = None
    """The `data-method` of its form: the factor that a page asks for which has several uses."""


class Transport(Protocol):
    """One HTTP exchange without redirects: status, headers as pairs, body."""

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, list[tuple[str, str]], bytes]: ...


class SocketTransport:
    """Real HTTP."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(retries=False, timeout=20)

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        answer = self._pool.request(method, url, headers=dict(headers), body=body, redirect=False)
        return answer.status, list(answer.headers.items()), answer.data


class Walker:
    """A guest's browser. `stop_at` is an address prefix whose visit is recorded instead of made (an app's callback), or
    says of an address whether it is one."""

    def __init__(self, transport: Transport | None = None, stop_at: str | Callable[[str], bool] | None = None) -> None:
        self._transport = transport or SocketTransport()
        self.stop_at = stop_at
        self._cookies: dict[str, dict[str, str]] = {}

    def get(self, url: str) -> Page:
        return self._visit("GET", url, None)

    def submit(
        self,
        page: Page,
        form: int = 0,
        button: int | None = None,
        answers: Mapping[str, str] | None = None,
        **fields: str,
    ) -> Page:
        """Sends one of the page's forms with `answers` and `fields` filled in, as a person would by its first submit
        button unless `button` says else."""
        chosen = page.forms[form]
        sent = chosen.fields | dict(answers or {}) | fields
        if button is not None and chosen.buttons[button][0]:
            sent[chosen.buttons[button][0]] = chosen.buttons[button][1]
        target = urljoin(page.url, chosen.action)
        if chosen.method == "get":
            return self._visit("GET", f"{target}?{urlencode(sent)}", None)
        return self._visit("POST", target, urlencode(sent).encode(), origin=_origin(page.url))

    def cookies(self, url: str) -> dict[str, str]:
        """The cookies that this browser keeps for an address's host and port."""
        return self._cookies.setdefault(urlsplit(url).netloc, {})

    def _stops(self, url: str) -> bool:
        if self.stop_at is None or isinstance(self.stop_at, str):
            return self.stop_at is not None and url.startswith(self.stop_at)
        return self.stop_at(url)

    def _visit(self, method: str, url: str, body: bytes | None, origin: str | None = None) -> Page:
        visited: list[str] = []
        for _ in range(MAX_REDIRECTS):
            if visited and self._stops(url):
                return Page(url, 0, {}, "", None, None, [], [], tuple(visited))
            headers = {"Accept": "text/html"}
            kept = self.cookies(url)
            if kept:
                headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in kept.items())
            if body is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
                if origin:
                    headers["Origin"] = origin
            status, answered, data = self._transport(method, url, headers, body)
            for name, value in answered:
                if name.lower() == "set-cookie":
                    self._remember(url, value)
            location = next((v for k, v in answered if k.lower() == "location"), None)
            if status in (301, 302, 303, 307, 308) and location is not None:
                visited.append(url)
                url = urljoin(url, location)
                if status in (301, 302, 303):
                    method, body, origin = "GET", None, None
                continue
            return _page(url, status, dict(answered), data, tuple(visited))
        raise RuntimeError(f"more than {MAX_REDIRECTS} redirects: {visited[-3:]}")

    def _remember(self, url: str, header: str) -> None:
        kept = self.cookies(url)
        for name, morsel in SimpleCookie(header).items():
            if morsel["max-age"] == "0" or not morsel.value:
                kept.pop(name, None)
            else:
                kept[name] = morsel.value


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _page(url: str, status: int, headers: Mapping[str, str], data: bytes, visited: tuple[str, ...]) -> Page:
    text = data.decode("utf-8", "replace")
    reader = _Reader()
    if "html" in next((v for k, v in headers.items() if k.lower() == "content-type"), ""):
        reader.feed(text)
    return Page(
        url,
        status,
        headers,
        text,
        reader.name,
        reader.error,
        reader.forms,
        reader.links,
        visited,
        reader.options,
        reader.method,
    )


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.name: str | None = None
        self.error: str | None = None
        self.method: str | None = None
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.options: str | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {k: v or "" for k, v in attrs}
        if tag == "form":
            self.forms.append(Form(a.get("action", ""), a.get("method", "get").lower()))
            self._inside = True
        elif tag == "a" and "href" in a:
            self.links.append(a["href"])
        elif self._inside and tag == "button" and a.get("type", "submit") == "submit":
            self.forms[-1].buttons.append((a.get("name", ""), a.get("value", "")))
        elif self._inside and tag in ("input", "textarea") and a.get("name"):
            if a.get("type") in ("checkbox", "radio") and "checked" not in a:
                return
            self.forms[-1].fields[a["name"]] = a.get("value", "")
        self.name = a.get("data-page", self.name)
        self.error = a.get("data-error", self.error)
        self.options = a.get("data-options", self.options)
        self.method = a.get("data-method", self.method)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
