"""Every data set that Osler knows, listed by hand. To add one: a file beside this and a line in `SOURCES`."""

from osler.errors import InputError
from osler.sources.access import why_denied
from osler.sources.catalog.alzheimer_pubmed import ALZHEIMER_PUBMED
from osler.sources.catalog.asq_phi import ASQ_PHI
from osler.sources.catalog.bioasq_taskb import BIOASQ_TASKB
from osler.sources.catalog.chatdoctor_disease_db import CHATDOCTOR_DISEASE_DB
from osler.sources.catalog.counsel_chat import COUNSEL_CHAT
from osler.sources.catalog.disaster_reports import DISASTER_REPORTS
from osler.sources.catalog.diseases_symptoms import DISEASES_SYMPTOMS
from osler.sources.catalog.first_aid import FIRST_AID
from osler.sources.catalog.first_aid_qa import FIRST_AID_QA
from osler.sources.catalog.harmful_requests import DO_NOT_ANSWER, JAILBREAK_INTHEWILD, MEDSAFETYBENCH_LLAMA3
from osler.sources.catalog.healthsearch_qa import HEALTHSEARCH_QA
from osler.sources.catalog.i2b2_2014 import I2B2_2014
from osler.sources.catalog.ii_medical_reasoning import II_MEDICAL_REASONING
from osler.sources.catalog.jats import PMC_OPEN_ACCESS, PREPRINTS
from osler.sources.catalog.k_qa import K_QA
from osler.sources.catalog.liveqa_med import LIVEQA_MED
from osler.sources.catalog.meddialog import CHATDOCTOR_5K, MEDDIALOG, MEDDIALOG_ZH
from osler.sources.catalog.medical_meadow import MEDICAL_MEADOW
from osler.sources.catalog.medical_o1 import MEDICAL_O1
from osler.sources.catalog.medical_training_84k import MEDICAL_TRAINING_84K
from osler.sources.catalog.medication_qa import MEDICATION_QA, MEDICATION_QA_MEDLFQA
from osler.sources.catalog.medmcqa import MEDMCQA
from osler.sources.catalog.mednli import MEDNLI
from osler.sources.catalog.medqa import MEDQA
from osler.sources.catalog.medquad import MEDQUAD
from osler.sources.catalog.medxpertqa import MEDXPERTQA
from osler.sources.catalog.mimic import MIMIC_III, MIMIC_IV_NOTE
from osler.sources.catalog.mmlu_med import MMLU_MED
from osler.sources.catalog.mqp import MQP
from osler.sources.catalog.multimedqa_fewshots import MULTIMEDQA_FEWSHOTS
from osler.sources.catalog.pubmed import PUBMED
from osler.sources.catalog.pubmedqa import PUBMEDQA, PUBMEDQA_ARTIFICIAL, PUBMEDQA_UNLABELED
from osler.sources.catalog.safety_demonstrations import GENERAL_SAFETY_DEMOS, MEDSAFETYBENCH
from osler.sources.catalog.symptom_to_diagnosis import SYMPTOM_TO_DIAGNOSIS
from osler.sources.catalog.visit_notes import ACI_BENCH, MTS_DIALOG
from osler.sources.catalog.wiki_medical_terms import WIKI_MEDICAL_TERMS
from osler.sources.plugins import plugins
from osler.sources.source import Source
from osler.text import nearest

SOURCES: tuple[Source, ...] = (
    ACI_BENCH,
    ALZHEIMER_PUBMED,
    ASQ_PHI,
    BIOASQ_TASKB,
    PREPRINTS,
    CHATDOCTOR_5K,
    CHATDOCTOR_DISEASE_DB,
    COUNSEL_CHAT,
    DISASTER_REPORTS,
    DISEASES_SYMPTOMS,
    DO_NOT_ANSWER,
    FIRST_AID,
    FIRST_AID_QA,
    GENERAL_SAFETY_DEMOS,
    HEALTHSEARCH_QA,
    I2B2_2014,
    II_MEDICAL_REASONING,
    JAILBREAK_INTHEWILD,
    K_QA,
    LIVEQA_MED,
    MEDDIALOG,
    MEDDIALOG_ZH,
    *MEDICAL_MEADOW,
    *MEDICAL_O1,
    MEDICAL_TRAINING_84K,
    MEDICATION_QA,
    MEDICATION_QA_MEDLFQA,
    MEDMCQA,
    MEDNLI,
    MEDQA,
    MEDQUAD,
    MEDSAFETYBENCH,
    MEDSAFETYBENCH_LLAMA3,
    MEDXPERTQA,
    MIMIC_III,
    MIMIC_IV_NOTE,
    MMLU_MED,
    MQP,
    MTS_DIALOG,
    MULTIMEDQA_FEWSHOTS,
    PMC_OPEN_ACCESS,
    PUBMED,
    PUBMEDQA,
    PUBMEDQA_ARTIFICIAL,
    PUBMEDQA_UNLABELED,
    SYMPTOM_TO_DIAGNOSIS,
    WIKI_MEDICAL_TERMS,
)
"""In alphabetical order of their names."""

SOURCE_NAMES: tuple[str, ...] = tuple(source.name for source in SOURCES)


def all_sources() -> tuple[Source, ...]:
    """The catalog and the sources of installed plug-ins."""
    return (*SOURCES, *plugins(SOURCE_NAMES)[0])


def source_named(name: str) -> Source:
    """The source of that name, of the catalog or of a plug-in.

    Raises:
        InputError: with the nearest right name and the whole list; or why the data set is not read, or its plug-in broken.
    """
    for source in SOURCES:
        if source.name == name:
            return source
    added, broken = plugins(SOURCE_NAMES)
    for source in added:
        if source.name == name:
            return source
    for plugin in broken:
        if plugin.name == name:
            raise InputError(f"{plugin.reason}. Mend or uninstall it; the other sources work without it.")
    raise InputError(unknown_source(name))


def unknown_source(name: str) -> str:
    """The message for a name that is not in the list."""
    denied = why_denied(name)
    if denied:
        return denied
    names = [source.name for source in all_sources()]
    near = nearest(name, names)
    hint = f" Did you mean {near!r}?" if near else ""
    return f"there is no source {name!r}.{hint} The sources are: {', '.join(names)}"
