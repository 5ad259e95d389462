"""How long it takes to find someone's dynamic groups, as rules grow. Prints microseconds; the growth is what matters.

`python -m benchmarks.rules`. The mix is that of administrators: a department, companies in a list, the domain of an
address, a country together with a word of the job title; each of them rarely about the one who signs in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from b2b_idp.groups.index import RuleIndex
from b2b_idp.groups.person import person_of
from b2b_idp.groups.rule import Rule, parse_rule
from b2b_idp.model.directory import User

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SIZES = (10, 1_000, 15_000)
PEOPLE = 100_000
COUNTRIES = [a + b for a in "ABCDEFGHIJKLMNOPQRST" for b in "ABCDEFGHIJ"]
TITLES = ("Engineer", "Manager", "Buyer", "Analyst", "Driver")


def rule(n: int) -> Rule:
    """The n-th of a tenant's rules."""
    match n % 5:
        case 0:
            text = f'user.department -eq "Department {n}"'
        case 1:
            text = f'user.userType -eq "Guest" -and user.companyName -in ["Company {n}", "Company {n} GmbH"]'
        case 2:
            domain = f"@partner{n}.example"
            text = f'user.mail -endsWith "{domain}" -or user.otherMails -any (_ -endsWith "{domain}")'
        case 3:
            country, title = COUNTRIES[n // 5 % len(COUNTRIES)], TITLES[n // 5 % len(TITLES)]
            text = f'(user.country -eq "{country}") -and (user.jobTitle -contains "{title} {n}")'
        case _:
            text = f'user.accountEnabled -eq true -and -not (user.extensionAttribute1 -ne "Cost center {n}")'
    return parse_rule(text)


def user(n: int) -> User:
    """The n-th guest; in two or three of the first hundred groups."""
    group = n % 100
    return User(
        id=f"{n:08d}",
        user_type="Guest",
        upn=f"guest{n}_partner.example#EXT#@contoso.example",
        mail=f"guest{n}@partner{group // 5 * 5 + 2}.example",
        created_at=AT,
        properties={
            "displayName": f"Guest {n}",
            "department": f"Department {group // 5 * 5}",
            "companyName": f"Company {group // 5 * 5 + 1}",
            "country": COUNTRIES[n % len(COUNTRIES)],
            "jobTitle": f"Senior {TITLES[n % len(TITLES)]}",
            "otherMails": [f"guest{n}@home.example"],
        },
    )


def seconds(act: Callable[[], object], rounds: int) -> float:
    """The best of five runs, for one call; of the processor, so that others on the machine do not count."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(rounds):
            act()
        best = min(best, time.process_time() - began)
    return best / rounds


def main() -> None:
    print(" rules  µs a person  against the smallest  µs, all asked  rules asked  ms to make  µs to read a rule")
    smallest = 0.0
    for size in SIZES:
        rules = {f"group-{n}": rule(n) for n in range(size)}
        index, someone = RuleIndex(rules), user(2)

        def looked_up(index: RuleIndex = index, someone: User = someone) -> int:
            return len(index.groups_of(person_of(someone), AT))

        def all_asked(rules: dict[str, Rule] = rules, someone: User = someone) -> int:
            person = person_of(someone)
            return sum(r.matches(person, AT) for r in rules.values())

        assert looked_up() == all_asked() == 3
        took, naive = seconds(looked_up, 1_000) * 1e6, seconds(all_asked, max(1, 10_000 // size)) * 1e6
        made = seconds(lambda rules=rules: RuleIndex(rules), 1) * 1e3
        read = seconds(lambda size=size: [rule(n) for n in range(min(size, 1_000))], 1) / min(size, 1_000) * 1e6
        smallest = smallest or took
        asked = len(index.candidates(person_of(someone)))
        print(f"{size:6}  {took:11.1f}  {took / smallest:20.2f}  {naive:13.0f}  {asked:11}  {made:10.1f}  {read:17.0f}")

    index = RuleIndex({f"group-{n}": rule(n) for n in range(100)})
    began = time.process_time()
    memberships = sum(len(index.groups_of(person_of(user(n)), AT)) for n in range(PEOPLE))
    took = time.process_time() - began
    print(f"{PEOPLE:,} people × 100 rules: {took:.1f} s, {PEOPLE / took:,.0f} people a second ({memberships:,} in)")


if __name__ == "__main__":
    main()
