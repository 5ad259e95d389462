"""Transformations: what each method makes of its inputs, how they feed each other, and what is refused."""

from __future__ import annotations

import pytest
from mapping_documents import applied, claims, definition, made_by, transformation, transformed, user

from b2b_idp.claims.mapping import compile_mapping
from b2b_idp.claims.methods import LONGEST_TEXT
from b2b_idp.model.problem import Code, Problem


def refused(*entries, **members):
    with pytest.raises(Problem) as e:
        compile_mapping(definition(*entries, **members))
    assert e.value.code is Code.BAD_REQUEST and "line 1, column" in e.value.say
    return e.value.say


def refused_method(method, inputs, parameters=None, **more):
    feeding = [user(id) for id in dict.fromkeys(inputs.values())]
    return refused(
        made_by("T", "m"), *feeding, ClaimsTransformation=[transformation("T", method, inputs, parameters, **more)]
    )


def of(value, method, name="sourceClaim", **parameters):
    """What a method makes of one text."""
    return transformed(method, {name: "department"}, parameters, sources={"user": {"department": value}}).value


# --- Join ------------------------------------------------------------------------------------------------------------


def test_join_of_two_claims():
    assert (
        transformed("Join", {"string1": "department", "string2": "employeeid"}, {"separator": "."}).value == "Sales.E77"
    )


@pytest.mark.parametrize(
    ("claim", "parameter", "made"), [("string1", "string2", "Sales@x"), ("string2", "string1", "x@Sales")]
)
def test_join_of_a_claim_and_a_parameter(claim, parameter, made):
    assert transformed("Join", {claim: "department"}, {parameter: "x", "separator": "@"}).value == made


def test_join_of_two_parameters_is_a_constant():
    made = transformed("Join", {}, {"string1": "a", "string2": "b", "separator": "-"})
    assert (made.value, made.steps) == ("a-b", ("Join t → 'a-b'",))


def test_join_without_separator_has_none():
    assert transformed("Join", {"string1": "department"}, {"string2": "x"}).value == "Salesx"


@pytest.mark.parametrize(
    ("inputs", "parameters", "say"),
    [
        ({"string1": "mail"}, {"separator": "."}, "given no string2"),
        ({}, {"string2": "x"}, "given no string1"),
        ({"string1": "mail"}, {"string1": "x", "string2": "y"}, "given twice"),
        ({"string1": "mail", "string3": "city"}, {"string2": "x"}, 'no \\"string3\\"'),
        ({"string1": "mail"}, {"string2": "x", "glue": "y"}, 'no \\"glue\\"'),
    ],
)
def test_join_says_which_input_it_lacks_or_does_not_have(inputs, parameters, say):
    assert say.replace("\\", "") in refused_method("Join", inputs, parameters)


# --- ExtractMailPrefix, ToLowercase, ToUppercase ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "prefix"), [("Alice@x.example", "Alice"), ("a@b@x.example", "a@b"), ("no address", "no address")]
)
@pytest.mark.parametrize("name", ["mail", "sourceClaim"])
def test_the_prefix_of_an_address(address, prefix, name):
    assert of(address, "ExtractMailPrefix", name) == prefix


@pytest.mark.parametrize("method", ["ToLowercase", "ToLowercase()", "tolowercase"])
def test_lower_case_with_and_without_parentheses(method):
    assert of("Alice@Fabrikam.example", method) == "alice@fabrikam.example"


@pytest.mark.parametrize(
    ("text", "upper"), [("größe", "GRÖßE"), ("ı", "ı"), ("ﬁx", "ﬁX"), ("é", "É"), ("ſ", "ſ"), ("я", "Я")]
)
def test_upper_case_maps_letter_by_letter_and_never_into_ascii(text, upper):
    assert of(text, "ToUppercase") == upper


@pytest.mark.parametrize(("text", "lower"), [("ÀB", "àb"), ("İ", "İ"), ("\u212a", "\u212a")])
def test_lower_case_maps_letter_by_letter_and_never_into_ascii(text, lower):
    assert of(text, "ToLowercase()") == lower


# --- RegexReplace ----------------------------------------------------------------------------------------------------


def replaced(text, regex, replacement):
    return of(text, "RegexReplace", regex=regex, replacement=replacement)


@pytest.mark.parametrize(
    ("regex", "replacement", "made"),
    [
        (r"(?'n'^.*?)(?i)(\@FABRIKAM\.example)$", "{n}.guest", "Alice.guest"),
        (r"^(?<n>[^@]+)@(?<d>.+)$", "{d}/{n}/{n}", "Fabrikam.example/Alice/Alice"),
        (r"@(?<d>.+)", "@contoso.example", "Alice@contoso.example"),
        (r"[ae]", "_", "Alic_@F_brik_m._x_mpl_"),
        (r"@(?<none>x)?", "<{none}>", "Alice<>Fabrikam.example"),
        ("^", ">", ">Alice@Fabrikam.example"),
    ],
)
def test_matches_are_replaced_by_text_and_named_groups(regex, replacement, made):
    assert replaced("Alice@Fabrikam.example", regex, replacement) == made


def test_further_inputs_stand_in_the_replacement_by_name():
    claim = transformed(
        "RegexReplace",
        {"sourceClaim": "mail", "Dept": "department", "no": "employeeid"},
        {"regex": "^(?<n>.+)@.*$", "replacement": "{dept}.{n}@{no}.example"},
    )
    assert claim.value == "Sales.Alice@E77.example"


def test_where_nothing_matches_the_input_stays_and_the_step_says_so():
    claim = transformed("RegexReplace", {"sourceClaim": "mail"}, {"regex": "^x", "replacement": "y"})
    assert claim.value == "Alice@Fabrikam.example"
    assert claim.steps[0].endswith("does not match, skipped")


@pytest.mark.parametrize(
    "default", [{"Value": "nobody", "JwtClaimType": "made"}, user("department", "made")], ids=["constant", "attribute"]
)
@pytest.mark.parametrize(("regex", "matches"), [("^Alice", True), ("^Bob", False)])
def test_a_second_entry_of_the_claim_is_its_default_value(default, regex, matches):
    claim = transformed(
        "RegexReplace", {"sourceClaim": "mail"}, {"regex": regex + ".*", "replacement": "matched"}, default
    )
    assert claim.value == ("matched" if matches else default.get("Value", "Sales"))
    assert ("transformation" in claim.origin) is matches


def test_only_a_regex_replace_has_a_default_value():
    t = transformation("T", "ToLowercase", {"sourceClaim": "mail"})
    assert "two entries make" in refused(user("mail", "m"), made_by("T", "m"), ClaimsTransformation=[t])


@pytest.mark.parametrize(
    ("text", "regex", "made"),
    [
        ("Müller-Lüdenscheidt", r"^(?<n>\w+)-.*$", "Müller"),
        ("٣x", r"(?<n>\d)x", "٣"),
        ("a\u00a0b", r"\s(?<n>b)", "ab"),
        ("a.b", r"[\w.]+(?<n>)", ""),
        ("x-9", r"(?<n>[\D\-]+)\d", "x-"),
        ("[a]", r"(?<n>[[:a]+)\]", "[a"),
        ("]a", r"(?<n>[]a]+)", "]a"),
        ("é", r"(?<n>\u00e9)", "é"),
        ("a\x1bb", r"a\e(?<n>b)", "b"),
        ("ab", r"(?#comment)a(?<n>b)\Z", "b"),
        ("aB", r"(?i:A)(?<n>B)", "B"),
        ("a@b", r"\@(?<n>b)", "ab"),
        ("käse", r"x*(?<n>)", "käse"),
    ],
)
def test_expressions_mean_what_they_mean_in_dot_net(text, regex, made):
    assert replaced(text, regex, "{n}") == (made or None)


@pytest.mark.parametrize(
    ("regex", "say"),
    [
        (r"(a)\1", "backreference"),
        (r"(?<n>a)\k<n>", "backreference"),
        (r"a(?=b)", "lookahead"),
        (r"a(?!b)", "lookahead"),
        (r"(?<=a)b", "lookbehind"),
        (r"(?<!a)b", "lookbehind"),
        (r"(?>a+)b", "atomic"),
        (r"(?(a)b|c)", "condition"),
        (r"[a-z-[aeiou]]", "subtraction in a character class"),
        (r"(?x)a b", "the flag x"),
        (r"(?<a-b>c)", "a balancing group"),
        (r"(?P<n>c)", "this kind of group"),
        (r"\Ga", r"\\G"),
        ("(", "missing"),
        ("[a", "has no end"),
        ("a**", "not a regular expression"),
        ("\\", "not a regular expression"),
        ("(a{1000}){1000}", "not a regular expression"),
        (r"\p{IsGreek}", "not a regular expression"),
        ("(?<n>a)|(?<n>b)", "a second group `n`"),
        ("".join(f"(?<n{i}>.)" for i in range(40)), "more than 32 named groups"),
        ("a" * 10_000, "longer than 2048"),
    ],
)
def test_n_148_an_expression_that_cannot_be_linear_is_refused_with_the_reason(regex, say):
    said = refused_method("RegexReplace", {"sourceClaim": "mail"}, {"regex": regex, "replacement": "x"})
    assert say.replace("\\\\", "\\") in said and "InputParameters[0].Value" in said


def test_n_148_the_expressions_of_a_policy_are_bounded_together():
    parameters = {"regex": "a" * 1500, "replacement": "x"}
    t = [transformation(id, "RegexReplace", {"sourceClaim": "mail"}, parameters) for id in "AB"]
    said = refused(user("mail"), made_by("A", "a"), made_by("B", "b"), ClaimsTransformation=t)
    assert "together are longer than 2048" in said and "ClaimsTransformation[1]" in said


@pytest.mark.parametrize(
    "regex", ["(a+)+$", "(a|a)*$", "(x+x+)+y", "(.*)*z", "(a*)*b", "(" * 1000 + ")" * 1000, "a(?:.*b)?"]
)
def test_n_148_hostile_expressions_take_linear_time(regex, benchmark_seconds):
    text = "a" * (LONGEST_TEXT - 1) + "!"
    assert benchmark_seconds(lambda: replaced(text, regex, "x")) < 1


@pytest.mark.parametrize(
    ("replacement", "say"),
    [
        ("{1000000}", "neither a group"),
        ("{0}", "neither a group"),
        ("{}", "neither a group"),
        ("{n", "braces"),
        ("n}", "braces"),
        ("{{n}}", "braces"),
        ("{N}", "neither a group"),
        ("{n}", 'input claim "dept" is to be used exactly once'),
        ("{dept}{dept}", 'input claim "dept" is to be used exactly once'),
    ],
)
def test_a_replacement_names_what_there_is_and_uses_each_further_input_once(replacement, say):
    inputs = {"sourceClaim": "mail", "dept": "department"}
    assert say in refused_method("RegexReplace", inputs, {"regex": "(?<n>.)", "replacement": replacement})


def test_a_group_and_a_further_input_have_different_names():
    inputs = {"sourceClaim": "mail", "n": "department"}
    assert "both an input claim and a group" in refused_method(
        "RegexReplace", inputs, {"regex": "(?<N>.)", "replacement": "{n}"}
    )


def test_there_are_at_most_five_further_inputs():
    names = [f"i{n}" for n in range(6)]
    inputs = {"sourceClaim": "mail"} | dict.fromkeys(names, "department")
    parameters = {"regex": ".", "replacement": "".join(f"{{{n}}}" for n in names)}
    assert "at most 5" in refused_method("RegexReplace", inputs, parameters)
    del inputs["i5"]
    assert (
        transformed("RegexReplace", inputs, parameters | {"regex": "^.*$", "replacement": "{i0}{i1}{i2}{i3}{i4}"}).value
        == "Sales" * 5
    )


@pytest.mark.parametrize("lacking", ["sourceClaim", "regex", "replacement"])
def test_regex_replace_says_what_it_lacks(lacking):
    inputs = {"sourceClaim": "mail"} if lacking != "sourceClaim" else {}
    parameters = {k: v for k, v in {"regex": ".", "replacement": "x"}.items() if k != lacking}
    assert f"is given no {lacking}" in refused_method("RegexReplace", inputs, parameters)


# --- inputs, outputs, chains -----------------------------------------------------------------------------------------


def test_a_transformation_feeds_the_next_and_each_step_is_told():
    chain = [
        transformation("J", "Join", {"string1": "P", "string2": "department"}, {"separator": "-"}),
        transformation("P", "ExtractMailPrefix", {"mail": "L"}),
        transformation("L", "ToLowercase", {"sourceClaim": "mail"}),
    ]
    entries = [made_by("J", "id"), made_by("P"), made_by("L"), user("mail"), user("department")]
    (claim,) = applied(*entries, ClaimsTransformation=chain)
    assert claim.value == "alice-Sales"
    assert claim.steps == (
        "ToLowercase l: sourceclaim = user.mail 'Alice@Fabrikam.example' → 'alice@fabrikam.example'",
        "ExtractMailPrefix p: mail = the transformation l 'alice@fabrikam.example' → 'alice'",
        "Join j: string1 = the transformation p 'alice', string2 = user.department 'Sales' → 'alice-Sales'",
    )


def test_what_is_missing_at_the_begin_of_a_chain_is_named_at_its_end():
    chain = [
        transformation("A", "ToLowercase", {"sourceClaim": "country"}),
        transformation("B", "ToUppercase", {"sourceClaim": "A"}),
    ]
    (claim,) = applied(made_by("B", "c"), made_by("A"), user("country"), ClaimsTransformation=chain)
    assert claim.value is None
    assert claim.because == "ToLowercase a was skipped: user.country is empty"


def test_transformations_that_feed_each_other_are_refused():
    t = [
        transformation("A", "ToLowercase", {"sourceClaim": "B"}),
        transformation("B", "ToUppercase", {"sourceClaim": "A"}),
    ]
    assert "feed each other" in refused(made_by("A", "a"), made_by("B"), ClaimsTransformation=t)
    alone = [transformation("A", "ToLowercase", {"sourceClaim": "A"})]
    assert "feed each other" in refused(made_by("A", "a"), ClaimsTransformation=alone)


def test_a_chain_as_long_as_a_policy_can_hold():
    ids = [f"T{n}" for n in range(140)]
    chain = [
        transformation(id, "ToUppercase", {"sourceClaim": before})
        for before, id in zip(["mail", *ids], ids, strict=False)
    ]
    policy = {"ClaimsTransformation": [{k: v for k, v in t.items() if k != "InputParameters"} for t in chain]}
    assert claims(user("mail"), made_by("T139", "m"), *map(made_by, ids[:-1]), **policy) == {
        "m": "ALICE@FABRIKAM.EXAMPLE"
    }


def test_a_chain_of_joins_that_doubles_ends_without_a_claim():
    ids = [f"T{n}" for n in range(60)]
    chain = [transformation(i, "Join", {"string1": b, "string2": b}) for b, i in zip(["mail", *ids], ids, strict=False)]
    (claim,) = applied(user("mail"), made_by("T59", "m"), *map(made_by, ids[:-1]), ClaimsTransformation=chain)
    assert claim.value is None
    assert f"more than {LONGEST_TEXT} characters" in claim.because and len(claim.because) < 300


def test_references_are_compared_without_case():
    t = transformation("Lower", "ToLowercase", {"SourceClaim": "MAIL"}, output="OUT")
    assert claims(user("mail"), made_by("LOWER", "m", id="out"), ClaimsTransformation=[t]) == {
        "m": "alice@fabrikam.example"
    }


def test_an_ambiguous_reference_says_how_to_tell():
    app = {"Source": "application", "ID": "displayname"}
    t = transformation("T", "ToUppercase", {"sourceClaim": "displayname"})
    assert "ambiguous" in refused(user("displayname"), app, made_by("T", "m"), ClaimsTransformation=[t])
    t["InputClaims"][0]["ClaimTypeReferenceSource"] = "application"
    assert claims(user("displayname"), app, made_by("T", "m"), ClaimsTransformation=[t]) == {"m": "CRM"}


def test_an_input_that_names_its_source_needs_no_entry():
    t = transformation("T", "ToUppercase", {"sourceClaim": "department"})
    t["InputClaims"][0]["ClaimTypeReferenceSource"] = "user"
    assert claims(made_by("T", "m"), ClaimsTransformation=[t]) == {"m": "SALES"}


def test_a_directory_extension_feeds_a_transformation():
    id = "extension_0123456789abcdef0123456789abcdef_teams"
    t = transformation("T", "ToUppercase", {"sourceClaim": id})
    entry = {"Source": "user", "ExtensionID": id}
    assert claims(entry, made_by("T", "m"), ClaimsTransformation=[t]) == {"m": "RED"}


@pytest.mark.parametrize(
    ("every", "made"),
    [(False, "A@LITWARE.EXAMPLE"), (None, "A@LITWARE.EXAMPLE"), (True, ["A@LITWARE.EXAMPLE", "B@LITWARE.EXAMPLE"])],
)
def test_of_a_collection_the_first_value_is_transformed_or_with_treat_as_multi_value_each(every, made):
    t = transformation("T", "ToUppercase", {"sourceClaim": "othermail"})
    t["InputClaims"][0]["TreatAsMultiValue"] = every
    assert claims(user("othermail"), made_by("T", "m"), ClaimsTransformation=[t]) == {"m": made}


def test_with_a_default_value_only_the_values_that_match_are_emitted():
    t = transformation("T", "RegexReplace", {"sourceClaim": "othermail"}, {"regex": "^a@.*$", "replacement": "ours"})
    t["InputClaims"][0]["TreatAsMultiValue"] = True
    entries = [user("othermail"), made_by("T", "m")]
    assert claims(*entries, ClaimsTransformation=[t]) == {"m": ["ours", "b@litware.example"]}
    assert claims(*entries, {"Value": "x", "JwtClaimType": "m"}, ClaimsTransformation=[t]) == {"m": ["ours"]}


def test_at_most_one_input_is_a_collection():
    t = transformation("T", "Join", {"string1": "othermail", "string2": "proxyaddresses"})
    for given in t["InputClaims"]:
        given["TreatAsMultiValue"] = "true"
    assert "at most one input" in refused(
        user("othermail"), user("proxyaddresses"), made_by("T", "m"), ClaimsTransformation=[t]
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "TRUE"), (False, "FALSE"), (7, "7"), (["", "x"], "X"), ([], None), ({}, None), ([["a"]], None)],
)
def test_what_is_no_text_is_written_as_one(value, text):
    assert of(value, "ToUppercase") == text


def test_an_output_of_nothing_is_no_claim():
    assert replaced("abc", "^.*$", "") is None
    assert of("@x", "ExtractMailPrefix") is None


def lacking(name):
    t = transformation("T", "ToLowercase", {"sourceClaim": "mail"})
    del t[name]
    return t


@pytest.mark.parametrize(
    ("wrong", "say"),
    [
        (lacking("ID"), "ID"),
        (lacking("TransformationMethod"), "TransformationMethod"),
        (lacking("OutputClaims"), "OutputClaims"),
        (transformation("T", "CreateStringClaim", {}, {"value": "x"}), "TransformationMethod is"),
        (transformation("T", "ToLowercase", {}), "exactly one claim"),
        (transformation("T", "ToLowercase", {"mail": "mail"}), 'no "mail"'),
        (transformation("T", "ToLowercase", {"sourceClaim": "city"}), "no entry of ClaimsSchema has the ID"),
        (transformation("T", "ToLowercase", {"sourceClaim": "mail"}, {"x": "y"}), "it has none"),
        (transformation("T", "ToLowercase", {"sourceClaim": "mail"}, OutputClaims=[]), "exactly one output"),
        (transformation("T", "ToLowercase", {"sourceClaim": "mail"}, output="U"), "has the ID"),
        (transformation("T", "ToLowercase", {"sourceClaim": "mail"}, Surprise=1), "no member"),
        (
            transformation(
                "T",
                "ToLowercase",
                {"sourceClaim": "mail"},
                OutputClaims=[{"ClaimTypeReferenceId": "T", "TransformationClaimType": "x"}],
            ),
            "outputClaim",
        ),
        (
            transformation(
                "T", "ToLowercase", {"sourceClaim": "mail"}, InputClaims=[{"TransformationClaimType": "sourceClaim"}]
            ),
            "ClaimTypeReferenceId",
        ),
        (
            transformation(
                "T",
                "ToLowercase",
                {},
                InputClaims=[
                    {
                        "ClaimTypeReferenceId": "mail",
                        "TransformationClaimType": "sourceClaim",
                        "ClaimTypeReferenceSource": "moon",
                    }
                ],
            ),
            "ClaimTypeReferenceSource",
        ),
        (
            transformation("T", "Join", {"string1": "mail"}, InputParameters=[{"ID": "string2", "Value": 1}]),
            "a string is expected",
        ),
        (transformation("T", "Join", {"string1": "mail"}, InputParameters=[{"ID": "string2"}]), "an ID and a Value"),
        (
            transformation(
                "T", "Join", {"string1": "mail"}, InputParameters=[{"ID": "string2", "Value": "1", "DataType": "int"}]
            ),
            "DataType is string",
        ),
        (
            transformation("T", "Join", {"string1": "mail"}, InputParameters=[{"ID": "string2", "Value": "1"}] * 2),
            "given twice",
        ),
        ("text", "an object is expected"),
    ],
    ids=lambda x: str(x)[-40:],
)
def test_a_transformation_that_cannot_be_is_refused_at_its_place(wrong, say):
    said = refused(user("mail"), made_by("T", "m"), ClaimsTransformation=[wrong])
    assert say in said and "ClaimsTransformation[0]" in said


def test_two_transformations_with_one_id_are_refused():
    t = [transformation(id, "ToLowercase", {"sourceClaim": "mail"}) for id in ("T", "t")]
    assert "two transformations" in refused(user("mail"), made_by("T", "m"), ClaimsTransformation=t)


def test_an_entry_of_no_transformation_is_refused():
    assert 'no transformation "none"' in refused(made_by("none", "m"))


@pytest.mark.parametrize("values", [["a" * 250] * 250, ["x"] * 250], ids=["long", "many"])
def test_what_a_policy_may_have_transformed_for_one_token_is_bounded(values):
    """Else a hundred expressions over each of 250 values took a sign-in ten seconds."""
    names = [f"t{n}" for n in range(100)]
    replace = {"regex": ".", "replacement": "y"}
    steps = [transformation(n, "RegexReplace", {"sourceClaim": "othermail"}, replace) for n in names]
    for step in steps:
        step["InputClaims"][0]["TreatAsMultiValue"] = True
    policy = compile_mapping(definition(user("othermail"), *(made_by(n, n) for n in names), ClaimsTransformation=steps))
    made = policy.apply({"user": {"othermail": values}})
    assert made[0].value == ["y" * len(v) for v in values]
    assert made[-1].value is None and "for one token" in made[-1].because
