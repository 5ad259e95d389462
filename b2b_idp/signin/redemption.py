"""Whether an identity may take up an invitation: proof of the invited address, in the browser that brings it."""

from __future__ import annotations

from enum import StrEnum

from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.url import domain_of
from b2b_idp.signin.facts import Known
from b2b_idp.signin.view import Candidate, View


class Proof(StrEnum):
    """What is still missing before the invitation is bound to the identity."""

    ENOUGH = "enough"
    MAILED_CODE = "mailed_code"


def same_address(a: str, b: str) -> bool:
    """Equal addresses: the domain as A-label without case, the local part without case."""
    return a.rpartition("@")[0].casefold() == b.rpartition("@")[0].casefold() and domain_of(a) == domain_of(b) != ""


def proof_of(known: Known, view: View, candidate: Candidate) -> Proof:
    """The proof that (issuer, sub) holds the invited address.

    The home that is authoritative for the address's domain vouches for it, or, where there is none, a code mailed to
    the address was typed in this browser. The link alone proves nothing, nor does another home's word. A guest by
    mailed code moves to a home by both.
    Raises Problem(ADDRESS_NOT_VOUCHED).
    """
    address = candidate.address
    authority = view.configuration.homes_by_domain.get(domain_of(address))
    typed = known.address_proved is not None and same_address(known.address_proved, address)
    profile = known.profile
    home = view.home
    if authority is None and home is not None and home.own and candidate.invitation is None:
        authority = home  # the organisation's own word for its members
    if candidate.moves:
        vouched = profile is not None and profile.email_verified is True and same_address(profile.email or "", address)
        if authority != home or not vouched:
            raise _not_vouched(address, "the home does not vouch for the address that a guest by mailed code has")
        return Proof.ENOUGH if typed else Proof.MAILED_CODE
    if authority is None:
        return Proof.ENOUGH if typed else Proof.MAILED_CODE
    if home is None or authority.tenant_id != home.tenant_id or profile is None:
        raise _not_vouched(address, "the identity comes from a home that is not authoritative for the address")
    if profile.email is None or not same_address(profile.email, address) or profile.email_verified is False:
        raise _not_vouched(address, "the home does not vouch for the invited address")
    if profile.email_verified or typed:
        return Proof.ENOUGH
    # a member at the own provider comes without a link: there is none to have come from
    from_link = candidate.invitation is None or known.invitation_id == candidate.invitation.id
    if from_link and home.vocabulary.addresses_assigned:
        return Proof.ENOUGH
    return Proof.MAILED_CODE


def _not_vouched(address: str, why: str) -> Problem:
    return Problem(
        Code.ADDRESS_NOT_VOUCHED,
        "This invitation is for another account. Sign out at your organisation, then open the invitation again and "
        "sign in with the address it was sent to.",
        why,
    )
