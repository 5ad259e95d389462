"""ClaimsTransformation, read: each transformation's method, what goes into it and what its output is called."""

from __future__ import annotations

from dataclasses import dataclass, field

from b2b_idp.claims.attributes import IDS
from b2b_idp.claims.definition import Node, shown
from b2b_idp.claims.methods import Method, method_of
from b2b_idp.claims.regex import LONGEST

_MEMBERS = "ID TransformationMethod InputClaims InputParameters OutputClaims Parameters"
_INPUT = "ClaimTypeReferenceId TransformationClaimType TreatAsMultiValue ClaimTypeReferenceSource"


@dataclass(frozen=True, slots=True)
class Input:
    """An input claim: the entry that it takes, by its ID in folded case and, where said, its source."""

    node: Node
    name: str
    reference: str
    source: str | None
    every: bool
    """TreatAsMultiValue: the method is applied to every value, else to the first."""


@dataclass(frozen=True, slots=True)
class Transformation:
    """`id` and `output`, the ID of the entry that takes the output, in folded case; `inputs` in the method's order."""

    node: Node
    id: str
    method: Method
    inputs: tuple[Input, ...]
    output: str
    output_node: Node

    def __str__(self) -> str:
        return f"{self.method.name} {self.id}"


@dataclass(slots=True)
class Taken:
    """What the transformations of one policy share: their IDs, and how long their expressions are together."""

    ids: set[str] = field(default_factory=set)
    characters: int = 0


def read_transformation(node: Node, taken: Taken) -> Transformation:
    """`taken` is of those before, and gets this one's. Raises FlawError."""
    members = node.members(_MEMBERS)
    for name in ("ID", "TransformationMethod", "OutputClaims"):
        if name not in members:
            raise node.flaw(f"a transformation has a member {name}")
    id = members["ID"].id()
    if id in taken.ids:
        raise members["ID"].flaw(f"two transformations have the ID {shown(id)}")
    taken.ids.add(id)
    inputs = _inputs(members.get("InputClaims", Node([], node.path)))
    parameters = _parameters(members.get("InputParameters", Node([], node.path)))
    if "regex" in parameters:
        taken.characters += len(parameters["regex"].text())
        if taken.characters > LONGEST:
            raise parameters["regex"].flaw(f"the expressions of a policy together are longer than {LONGEST} characters")
    claims = {name: input.node for name, input in inputs.items()}
    method = method_of(members["TransformationMethod"], node, claims, parameters)
    ordered = tuple(inputs[name] for name in method.inputs)
    if sum(input.every for input in ordered) > 1:
        raise members["InputClaims"].flaw("TreatAsMultiValue is true for at most one input of a transformation")
    for parameter in members.get("Parameters", Node([], node.path)).items():
        # what Entra's portal writes down of the method itself
        parameter.members("Name Required")
    output = _output(members["OutputClaims"])
    return Transformation(node, id, method, ordered, output.id(), output)


def _inputs(node: Node) -> dict[str, Input]:
    found: dict[str, Input] = {}
    for item in node.items():
        members = item.members(_INPUT)
        for name in ("ClaimTypeReferenceId", "TransformationClaimType"):
            if name not in members:
                raise item.flaw(f"an input claim has a member {name}")
        source = members.get("ClaimTypeReferenceSource")
        if source is not None and source.id() not in (*IDS, "transformation"):
            raise source.flaw(f"ClaimTypeReferenceSource is {', '.join(IDS)} or transformation")
        name = members["TransformationClaimType"].id()
        if name in found:
            raise item.flaw(f"the input {shown(name)} is given twice")
        found[name] = Input(
            item,
            name,
            members["ClaimTypeReferenceId"].id(),
            source.id() if source else None,
            "TreatAsMultiValue" in members and members["TreatAsMultiValue"].boolean(),
        )
    return found


def _parameters(node: Node) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for item in node.items():
        members = item.members("ID Value DataType")
        if "ID" not in members or "Value" not in members:
            raise item.flaw("an input parameter has an ID and a Value")
        name = members["ID"].id()
        if name in found:
            raise item.flaw(f"the parameter {shown(name)} is given twice")
        if "DataType" in members and members["DataType"].id() != "string":
            raise members["DataType"].flaw("every parameter's DataType is string")
        members["Value"].text()
        found[name] = members["Value"]
    return found


def _output(node: Node) -> Node:
    items = node.items()
    if len(items) != 1:
        raise node.flaw("OutputClaims has exactly one output claim")
    members = items[0].members("ClaimTypeReferenceId TransformationClaimType")
    if "ClaimTypeReferenceId" not in members:
        raise items[0].flaw("an output claim has a member ClaimTypeReferenceId")
    if "TransformationClaimType" in members and members["TransformationClaimType"].id() != "outputclaim":
        raise members["TransformationClaimType"].flaw("the output of every method is outputClaim")
    return members["ClaimTypeReferenceId"]
