"""What the check says of pairs, of unknown names, of allergies and of imported tables."""

from __future__ import annotations

import itertools

import pytest

from domain.clinic import drug_knowledge
from domain.clinic.drug_interactions import InteractionCheck, Medication, overridden
from domain.clinic.drug_knowledge import KnowledgeBase
from domain.errors import InvalidFields

STARTER = drug_knowledge.starter()
CHECK = InteractionCheck([STARTER])
HEADS = {name: ",".join(columns) + "\n" for name, columns in drug_knowledge.TABLES.items()}


def named(*names: str) -> list[Medication]:
    return [Medication(name) for name in names]


def test_clarithromycin_with_simvastatin_is_contraindicated_and_says_who_says_so() -> None:
    check = CHECK.check(named("Simvastatin"), named("clarithromycin"))
    (alert,) = check.alerts
    assert (alert.severity, set(alert.pair)) == ("contraindicated", {"simvastatin", "clarithromycin"})
    assert alert.sources[0].url == "https://doi.org/10.1136/amiajnl-2011-000612"
    assert check.version == "onc-2012"
    assert "not a complete" in check.notice


def test_the_order_of_a_pair_changes_neither_the_alert_nor_its_id() -> None:
    one = CHECK.check(named("simvastatin"), named("clarithromycin")).alerts
    other = CHECK.check(named("clarithromycin"), named("simvastatin")).alerts
    assert [alert.id for alert in one] == [alert.id for alert in other]


def test_two_new_drugs_are_checked_against_each_other() -> None:
    assert CHECK.check(named("sertraline", "phenelzine")).contraindicated


def test_a_drug_does_not_interact_with_itself() -> None:
    """Procarbazine is an inhibitor of monoamine oxidase and a partner of one."""
    assert CHECK.check(named("procarbazine"), named("procarbazine")).alerts == ()


def test_an_unknown_drug_is_unresolved_and_never_safe() -> None:
    check = CHECK.check(named("Grandmother's tea"), [Medication("simvastatin", rxnorm="999999999")])
    assert check.checked == ()
    assert check.unresolved == ("Grandmother's tea", "simvastatin")


def test_a_code_counts_whatever_the_text_says_and_synonyms_are_known() -> None:
    assert CHECK.check([Medication("Zocor 20 mg", "36567")], named("Clarithromycin")).contraindicated
    assert CHECK.check(named("Rifampicin"), named("ritonavir")).contraindicated


def test_an_allergy_to_the_drug_or_to_its_class_is_an_alert() -> None:
    (alert,) = CHECK.check(named("erythromycin"), allergies=named("Erythromycin")).alerts
    assert alert.allergy
    by_class = CHECK.check(named("omeprazole"), allergies=named("Proton pump inhibitors"))
    assert by_class.contraindicated
    assert not CHECK.check(named("omeprazole"), allergies=named("erythromycin")).alerts


def test_every_pair_of_the_paper_is_there_and_every_drug_named_is_known() -> None:
    assert {rule.source.rpartition(" ")[2] for rule in STARTER.rules} == {
        "3",
        "4",
        "6",
        "8",
        "11",
        "16",
        "20",
        "22",
        "23",
        "25",
        "27",
        "28",
        "30",
        "31",
    }
    for rule in STARTER.rules:
        sides = [
            sorted(STARTER.members[side]) if kind == "class" else [side]
            for kind, side in ((rule.a_kind, rule.a), (rule.b_kind, rule.b))
        ]
        names = {drug.key: drug.name for drug in STARTER.drugs}
        for first, second in itertools.product(*sides):
            if first != second:
                assert CHECK.check(named(names[first]), named(names[second])).contraindicated, rule.id


def test_tables_come_back_from_csv_as_they_were() -> None:
    assert drug_knowledge.parse(drug_knowledge.write(STARTER)) == STARTER


def imported() -> KnowledgeBase:
    return drug_knowledge.parse(
        {
            "ddi_drugs": HEADS["ddi_drugs"]
            + "1,amoxil,11,\n11,amoxicillin,,\n2,simvastatin plus,36567;3,\n3,ezetimibe,,\n",
            "ddi_classes": HEADS["ddi_classes"],
            "ddi_rules": HEADS["ddi_rules"]
            + "own-1,drug,11,drug,3,moderate,Effect,Watch,Own list,https://x.org,own-7,true\n"
            + "own-2,drug,11,drug,3,major,Worse,Stop,Other list,https://y.org,own-7,true\n"
            + "own-3,drug,11,drug,3,contraindicated,Off,Off,Old list,https://z.org,own-7,false\n",
        }
    )


def test_an_imported_table_is_used_and_the_worst_of_its_active_rules_counts() -> None:
    both = InteractionCheck([STARTER, imported()])
    (alert,) = both.check(named("amoxil"), named("simvastatin plus")).alerts
    assert (alert.severity, [source.rule for source in alert.sources]) == ("major", ["own-1", "own-2"])
    assert both.version == "onc-2012+own-7"


def test_a_combination_is_checked_by_what_it_is_made_of() -> None:
    both = InteractionCheck([STARTER, imported()])
    assert both.check(named("simvastatin plus"), named("clarithromycin")).contraindicated


def test_an_override_needs_a_reason_for_every_contraindication() -> None:
    alerts = CHECK.check(named("simvastatin"), named("clarithromycin", "ritonavir")).alerts
    assert len(alerts) == 2
    assert overridden(alerts, {alerts[0].id: "benefit"}) == (alerts[1],)
    assert overridden(alerts, {alert.id: "benefit" for alert in alerts}) == ()


@pytest.mark.parametrize(
    ("table", "text", "where"),
    [
        ("ddi_rules", "rule_id,a\n", "ddi_rules"),
        ("ddi_rules", HEADS["ddi_rules"] + "r,drug,9,drug,9,major,e,m,s,u,v,true\n", "ddi_rules.r"),
        ("ddi_rules", HEADS["ddi_rules"] + "r,drug,9,drug,9,awful,e,m,s,u,v,true\n", "ddi_rules[2]"),
        ("ddi_rules", HEADS["ddi_rules"] + "r,drug,9,drug,9,major,e,m,s,u,v,perhaps\n", "ddi_rules[2]"),
        ("ddi_rules", HEADS["ddi_rules"] + "r,drug\n", "ddi_rules[2]"),
        ("ddi_classes", HEADS["ddi_classes"] + "C,some,404\n", "ddi_classes.C"),
        ("ddi_drugs", HEADS["ddi_drugs"] + '"1,open\n', "ddi_drugs"),
    ],
)
def test_a_bad_table_is_refused_by_line(table: str, text: str, where: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        drug_knowledge.parse({**HEADS, table: text})
    assert where in {issue.expression for issue in refused.value.issues}
