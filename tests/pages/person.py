"""A guest or member with their browser on their own pages, and what became of it."""

from __future__ import annotations

from dataclasses import replace

from b2b_idp.testing.guest import Walk


class Person:
    """A guest or member with their browser, signed in."""

    def __init__(self, kit, guest, app):
        self.kit, self.id, self.guest = kit, guest.id, guest
        assert kit.sign_in(guest, app).id_token, "could not sign in"
        self.walker = guest.driver._walker

    def look(self, path="/me"):
        return self.walker.get(self.kit.issuer + path)

    def form(self, page, action, **fields):
        """The number of the page's form that goes to `action` with these fields."""
        return next(
            i for i, f in enumerate(page.forms) if f.action.endswith(action) and f.fields.items() >= fields.items()
        )

    def leave(self):
        page = self.look("/me/leave")
        return self.walker.submit(page, self.form(page, "/me/leave"))

    def answer(self, guest_id, answer):
        """Sends the form of one sponsored guest, as somebody does who knows the id and a token of the own page."""
        csrf = token_of(self.look())
        return self.post("/me/guests", csrf=csrf, guest=guest_id, answer=answer)

    def press(self, page, action, **fields):
        """Sends the page's form that goes to `action`, and goes through what the sign-in asks then."""
        return self.through(self.walker.submit(page, self.form(page, action, **fields)))

    def through(self, page):
        """Answers every page as the guest would; where that ends."""
        self.asked = Walk(page, False)
        while (following := self.guest.driver._answer(page, self.asked)) is not None:
            page = following
        return page

    def post(self, path, origin=None, **fields):
        headers = {} if origin is None else {"Origin": origin}
        cookies = "; ".join(f"{k}={v}" for k, v in self.walker.cookies(self.kit.issuer).items())
        return self.kit.flask.test_client(use_cookies=False).post(
            "/idp" + path, data=fields, headers={"Cookie": cookies} | headers
        )


def token_of(page):
    return page.forms[0].fields["csrf"]


def sponsor(kit, guest, by):
    kit.graph("POST", f"/users/{guest.id}/sponsors/$ref", {"@odata.id": f"{kit.issuer}/v1.0/directoryObjects/{by}"})


def user_of(kit, id):
    with kit.idp.store.read() as r:
        return r.users.by_id(id)


def audits(kit, activity):
    with kit.idp.store.read() as r:
        return [d for _, d in r.logs.audits(most=1000) if d["activityDisplayName"] == activity]


def mails(kit, address):
    """Subjects and texts of the letters to an address, the newest first."""
    with kit.idp.store.read() as r:
        return [f"{m.subject}\n{m.body}" for m in r.outbox.latest() if m.recipient == address]


def save(kit, id, **changes):
    with kit.idp.store.write() as w:
        w.users.save(replace(w.users.by_id(id), **changes))
