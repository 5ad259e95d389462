"""The kit for apps in other languages: the same calls over HTTP, on loopback, beside the provider itself.

`POST {control}/{call}` with the call's arguments as JSON, by the names that the Python fixture gives them; guests, apps
and groups go by their address or name, the answer is JSON. Errors are 400 with {"error", "error_description"}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from flask import Blueprint, Response, jsonify, request

from b2b_idp.testing.kit import Kit
from b2b_idp.testing.values import KitApp, KitGroup, KitGuest, KitHome, SignedIn, Visit

CONTROL = "/kit"

_Known = TypeVar("_Known")


class KitServer:
    """A kit whose calls are made over HTTP too. `control` is the address below which they are."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.control = kit.issuer.removesuffix("/idp") + CONTROL
        self._guests: dict[str, KitGuest] = {}
        self._apps: dict[str, KitApp] = {}
        self._groups: dict[str, KitGroup] = {}
        self._calls: Mapping[str, Callable[..., Any]] = {
            "home_tenant": self._home_tenant,
            "invite": self._invite,
            "update": self._update,
            "app": self._app,
            "group": self._group,
            "assign": self._assign,
            "script": self._script,
            "visit": self._visit,
            "sign_in": self._sign_in,
            "graph": self.kit.graph,
            "admin_token": self.kit.admin_token,
        }
        blueprint = Blueprint("b2b_idp_kit_control", __name__, url_prefix=CONTROL)
        blueprint.add_url_rule("/<name>", "call", self._answer, methods=["POST"])
        kit.flask.register_blueprint(blueprint)

    def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """One call; the answer as plain values. Raises TypeError, ValueError, LookupError or AssertionError saying what
        is wrong with it."""
        if name not in self._calls:
            raise LookupError(f"{name!r} is none of {', '.join(self._calls)}")
        return self._calls[name](**arguments)

    def furnish(self, world: Mapping[str, Any]) -> dict[str, Any]:
        """Makes a world: {"home_tenants": […], "guests": […], "groups": […], "apps": […]}, each the arguments of a
        call; what a client needs to know of it."""
        unknown = world.keys() - {"home_tenants", "guests", "groups", "apps"}
        if unknown:
            raise ValueError(f"{sorted(unknown)[0]!r} is none of home_tenants, guests, groups, apps")
        return {
            "issuer": self.kit.issuer,
            "control": self.control,
            "home_tenants": {h["domain"]: self._home_tenant(**h) for h in world.get("home_tenants", ())},
            "guests": {g["email"]: self._invite(**g) for g in world.get("guests", ())},
            "groups": {g["name"]: self._group(**g) for g in world.get("groups", ())},
            "apps": {a["name"]: self._app(**a) for a in world.get("apps", ())},
        }

    def _answer(self, name: str) -> tuple[Response, int]:
        # a page of another site can send a form or text to loopback, but no JSON
        if not request.is_json:
            return jsonify(error="invalid_request", error_description="Send the call's arguments as JSON."), 415
        arguments = request.get_json(silent=True)
        if not isinstance(arguments, dict):
            return jsonify(error="invalid_request", error_description="The arguments are a JSON object."), 400
        try:
            return jsonify(self.call(name, arguments)), 200
        except LookupError as e:
            return jsonify(error="not_found", error_description=str(e.args[0])), 404
        except (TypeError, ValueError, AttributeError, AssertionError) as e:
            return jsonify(error="invalid_request", error_description=str(e)), 400

    # --- the calls ---------------------------------------------------------------------------------------------------

    def _home_tenant(self, **arguments: Any) -> dict[str, Any]:
        home: KitHome = self.kit.home_tenant(**arguments)
        return {"domain": home.domain, "tenant_id": home.tenant_id, "issuer": home.provider.issuer}

    def _invite(self, **arguments: Any) -> dict[str, Any]:
        guest = self.kit.invite(**arguments)
        self._guests[guest.email] = guest
        return {"id": guest.id, "email": guest.email, "redeem_url": guest.redeem_url}

    def _update(self, guest: str, **properties: Any) -> dict[str, Any]:
        self.kit.update(_one(self._guests, guest), **properties)
        return {}

    def _app(self, **arguments: Any) -> dict[str, Any]:
        app = self.kit.app(**arguments)
        self._apps[app.name] = app
        return asdict(app)

    def _group(self, name: str, members: list[str] | None = None, **arguments: Any) -> dict[str, Any]:
        people = [_one(self._guests, member) for member in members or ()]
        group = self.kit.group(name, members=people, **arguments)
        self._groups[name] = group
        return asdict(group)

    def _assign(self, who: str, app: str, role: str | None = None) -> dict[str, Any]:
        known: dict[str, KitGuest | KitGroup] = {**self._groups, **self._guests}
        self.kit.assign(_one(known, who), _one(self._apps, app), role)
        return {}

    def _script(self, guest: str, **evidence: Any) -> dict[str, Any]:
        self.kit.script(_one(self._guests, guest), **evidence)
        return {}

    def _visit(self, guest: str, url: str, **arguments: Any) -> dict[str, Any]:
        went: Visit = self.kit.visit(_one(self._guests, guest), url, **arguments)
        return asdict(went)

    def _sign_in(self, guest: str, app: str, **arguments: Any) -> dict[str, Any]:
        done: SignedIn = self.kit.sign_in(_one(self._guests, guest), _one(self._apps, app), **arguments)
        return {
            "id_token": done.id_token,
            "access_token": done.access_token,
            "tokens": done.tokens,
            "asked": done.asked,
            "decision": asdict(done.decision),
            "error": done.error,
            "pages": done.pages,
        }


def _one(known: Mapping[str, _Known], name: str) -> _Known:
    if name not in known:
        raise LookupError(f"{name!r} is none of {', '.join(known) or 'those that were made: there are none'}")
    return known[name]
