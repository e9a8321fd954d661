"""The clinical vocabulary of the demonstration data: what occurs, to whom, and what usually follows from it.

Codes are SNOMED CT, LOINC, RxNorm, CVX and UCUM, written as `(code, display)`. Prevalences are rough orders of
magnitude for a general practice; they make plausible charts, not statistics.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Sex = Literal["male", "female"]

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


class Code(NamedTuple):
    code: str
    display: str


class Problem(NamedTuple):
    """A condition and who gets it: ages at onset (years), sex (`None`: both), share of those who reach the ages.

    `days` is how long it lasts, `None` for good; `drug` is prescribed for it, `panel` followed up with it.
    """

    code: Code
    ages: tuple[int, int]
    share: float
    sex: Sex | None = None
    days: int | None = None
    drug: str | None = None
    panel: str | None = None


class Measure(NamedTuple):
    """A measured value: usual mean and spread, unit, decimals, reference range (`None`: none is given)."""

    code: Code
    mean: float
    spread: float
    unit: str
    decimals: int
    normal: tuple[float, float] | None = None


class Drug(NamedTuple):
    code: Code
    dose: str
    per_day: int


class Vaccine(NamedTuple):
    """Ages (years) at which it is due; `yearly_from`: every autumn from that age."""

    code: Code
    ages: tuple[int, ...] = ()
    yearly_from: int | None = None


PROBLEMS = (
    Problem(Code("38341003", "Hypertensive disorder"), (35, 80), 0.4, drug="lisinopril", panel="metabolic"),
    Problem(Code("44054006", "Type 2 diabetes mellitus"), (40, 75), 0.14, drug="metformin", panel="diabetes"),
    Problem(Code("55822004", "Hyperlipidemia"), (35, 75), 0.3, drug="atorvastatin", panel="lipids"),
    Problem(Code("195967001", "Asthma"), (3, 30), 0.1, drug="albuterol"),
    Problem(Code("396275006", "Osteoarthritis"), (50, 80), 0.25, drug="acetaminophen"),
    Problem(Code("35489007", "Depressive disorder"), (18, 65), 0.1, drug="sertraline"),
    Problem(Code("40930008", "Hypothyroidism"), (30, 70), 0.09, "female", drug="levothyroxine", panel="thyroid"),
    Problem(Code("266569009", "Benign prostatic hyperplasia"), (55, 80), 0.35, "male", drug="tamsulosin"),
    Problem(Code("235595009", "Gastroesophageal reflux disease"), (30, 70), 0.15, drug="omeprazole"),
    Problem(Code("64859006", "Osteoporosis"), (60, 85), 0.25, "female", drug="alendronate"),
    Problem(Code("37796009", "Migraine"), (14, 45), 0.15, "female", drug="ibuprofen"),
    Problem(Code("72892002", "Normal pregnancy"), (21, 39), 0.4, "female", days=280, panel="blood count"),
    Problem(Code("65363002", "Otitis media"), (1, 7), 0.5, days=14, drug="amoxicillin"),
    Problem(Code("43878008", "Streptococcal sore throat"), (4, 17), 0.4, days=10, drug="penicillin"),
    Problem(Code("24079001", "Atopic dermatitis"), (0, 8), 0.15),
    Problem(Code("444814009", "Viral sinusitis"), (6, 70), 0.3, days=14),
    Problem(Code("10509002", "Acute bronchitis"), (5, 80), 0.25, days=21),
    Problem(Code("44465007", "Sprain of ankle"), (8, 60), 0.2, days=28, drug="ibuprofen"),
)

DRUGS = {
    "lisinopril": Drug(Code("314076", "lisinopril 10 MG Oral Tablet"), "10 mg", 1),
    "metformin": Drug(Code("861007", "metformin hydrochloride 500 MG Oral Tablet"), "500 mg", 2),
    "atorvastatin": Drug(Code("617310", "atorvastatin 20 MG Oral Tablet"), "20 mg", 1),
    "albuterol": Drug(Code("745752", "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"), "2 puffs", 4),
    "acetaminophen": Drug(Code("313782", "acetaminophen 325 MG Oral Tablet"), "650 mg", 3),
    "sertraline": Drug(Code("312941", "sertraline 50 MG Oral Tablet"), "50 mg", 1),
    "levothyroxine": Drug(Code("892246", "levothyroxine sodium 0.1 MG Oral Tablet"), "0.1 mg", 1),
    "tamsulosin": Drug(Code("863669", "tamsulosin hydrochloride 0.4 MG Oral Capsule"), "0.4 mg", 1),
    "omeprazole": Drug(Code("198051", "omeprazole 20 MG Delayed Release Oral Capsule"), "20 mg", 1),
    "alendronate": Drug(Code("904419", "alendronic acid 10 MG Oral Tablet"), "10 mg", 1),
    "ibuprofen": Drug(Code("310965", "ibuprofen 200 MG Oral Tablet"), "400 mg", 3),
    "amoxicillin": Drug(Code("308182", "amoxicillin 250 MG Oral Capsule"), "250 mg", 3),
    "penicillin": Drug(Code("834061", "penicillin V potassium 250 MG Oral Tablet"), "250 mg", 4),
}

PANELS = {
    "metabolic": (
        Code("51990-0", "Basic metabolic panel - Blood"),
        (
            Measure(Code("2951-2", "Sodium [Moles/volume] in Serum or Plasma"), 140, 2, "mmol/L", 0, (135, 145)),
            Measure(Code("2823-3", "Potassium [Moles/volume] in Serum or Plasma"), 4.2, 0.3, "mmol/L", 1, (3.5, 5.1)),
            Measure(Code("2345-7", "Glucose [Mass/volume] in Serum or Plasma"), 92, 9, "mg/dL", 0, (70, 99)),
            Measure(Code("2160-0", "Creatinine [Mass/volume] in Serum or Plasma"), 0.9, 0.15, "mg/dL", 2, (0.6, 1.3)),
            Measure(Code("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma"), 14, 3, "mg/dL", 0, (7, 20)),
        ),
    ),
    "lipids": (
        Code("24331-1", "Lipid 1996 panel - Serum or Plasma"),
        (
            Measure(Code("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"), 205, 25, "mg/dL", 0, (0, 200)),
            Measure(Code("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma"), 52, 9, "mg/dL", 0, (40, 90)),
            Measure(Code("13457-7", "Cholesterol in LDL (calculated)"), 125, 22, "mg/dL", 0, (0, 130)),
            Measure(Code("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma"), 140, 35, "mg/dL", 0, (0, 150)),
        ),
    ),
    "diabetes": (
        Code("34532-2", "Blood glucose control panel"),
        (
            Measure(Code("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"), 7.1, 0.7, "%", 1, (4, 5.6)),
            Measure(Code("2345-7", "Glucose [Mass/volume] in Serum or Plasma"), 142, 25, "mg/dL", 0, (70, 99)),
        ),
    ),
    "thyroid": (
        Code("24348-5", "Free T4 and TSH panel - Serum or Plasma"),
        (Measure(Code("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma"), 3.1, 1.2, "m[IU]/L", 2, (0.4, 4.5)),),
    ),
    "blood count": (
        Code("58410-2", "CBC panel - Blood by Automated count"),
        (
            Measure(Code("718-7", "Hemoglobin [Mass/volume] in Blood"), 13.8, 1.0, "g/dL", 1, (12, 17)),
            Measure(Code("6690-2", "Leukocytes [#/volume] in Blood"), 6.9, 1.5, "10*3/uL", 1, (4, 11)),
            Measure(Code("777-3", "Platelets [#/volume] in Blood"), 255, 45, "10*3/uL", 0, (150, 400)),
        ),
    ),
}
"""What is ordered together; every adult has a blood count now and then."""

VACCINES = (
    Vaccine(Code("140", "Influenza, seasonal, injectable, preservative free"), yearly_from=1),
    Vaccine(Code("08", "Hep B, adolescent or pediatric"), (0,)),
    Vaccine(Code("20", "DTaP"), (1, 4)),
    Vaccine(Code("10", "IPV"), (1, 4)),
    Vaccine(Code("03", "MMR"), (1, 5)),
    Vaccine(Code("21", "Varicella"), (1, 5)),
    Vaccine(Code("113", "Td (adult) preservative free"), (12, 22, 32, 42, 52, 62, 72)),
    Vaccine(Code("33", "Pneumococcal polysaccharide PPV23"), (65,)),
)

ALLERGIES = (
    (Code("91936005", "Allergy to penicillin"), "medication", "high"),
    (Code("91935009", "Allergy to peanut"), "food", "high"),
    (Code("418689008", "Allergy to grass pollen"), "environment", "low"),
    (Code("232347008", "Allergy to animal dander"), "environment", "low"),
    (Code("300913006", "Allergy to shellfish"), "food", "low"),
)
