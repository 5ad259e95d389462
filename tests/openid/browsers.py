"""Load: guests in threads of their own."""

import copy
import threading

SCOPES = frozenset({"openid", "profile", "email", "offline_access", "User.Read"})


class Browsers:
    """Guests who sign in and refresh over and over, until it is enough."""

    def __init__(self, world, many):
        self.answers = []
        self._enough = threading.Event()
        guests = [world.guest(f"browser{n}") for n in range(many)]
        for guest in guests:
            world.change(lambda w, id=guest.id: w.grants.consent(id, world.crm.app_id, SCOPES, world.at))
        self._threads = [threading.Thread(target=self._go, args=(world, guest)) for guest in guests]

    def _go(self, world, guest):
        mine = copy.copy(world)
        mine.http = world.flask.test_client()
        mine.sign_in(guest, mine.http)
        while not self._enough.is_set():
            sent = mine.authorize(consent=False)
            self.answers.append(sent.status_code)
            if sent.status_code != 303:
                return
            code = sent.headers["Location"].partition("code=")[2].partition("&")[0]
            tokens = mine.exchange(code)
            self.answers.append(tokens.status_code)
            if tokens.status_code != 200:
                return
            self.answers.append(mine.refresh(tokens.json["refresh_token"]).status_code)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def served(self, more):
        """Waits until so many more were answered."""
        before = len(self.answers)
        while len(self.answers) < before + more and any(t.is_alive() for t in self._threads):
            self._enough.wait(0.01)

    def __exit__(self, *_):
        self._enough.set()
        for thread in self._threads:
            thread.join()
