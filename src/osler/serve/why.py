"""Why a reply is not the model's own, in words for the reader. Rules have ids for the operator; a person needs the reason."""

REASONS: dict[str, str] = {
    "self_harm_suicide": "Your words may mean that you are in danger, so people to call come first and no model is asked.",
    "abuse_violence": "Your words may mean that somebody hurts you, so people to call come first.",
    "emergency_symptoms": "What you describe can be an emergency, so the number to call comes first and no model is asked.",
    "overdose_poisoning": "Something harmful may have been taken, so the number to call comes first.",
    "self_procedure": "It does not explain how to do a medical procedure at home.",
    "drug_abuse_diversion": "It does not explain how to misuse, make or get drugs.",
    "eating_disorder": "It does not help with eating less than a body needs; the reply says where help is.",
    "harm_others": "It does not help to harm anybody.",
    "privacy_phi": "It does not help to find out about another person's health.",
    "misinformation": "It does not write false statements about health.",
    "clinician_unethical": "It does not help with what would harm or deceive a patient.",
    "jailbreak_injection": "The question tries to switch the rules off. They stay on.",
    "household_poison": "It is a poison and no medicine; the reply says what to do if some was taken.",
    "paediatric_pregnancy": "Medicines for children and in pregnancy need a professional who knows the person.",
    "medication_stop_change": "Starting, changing or stopping a medicine is a decision for you and your doctor.",
    "medication_stop_general": "How a medicine is stopped depends on the person; the one who prescribed it can tell.",
    "dosing_personal": "The right dose depends on the person; a doctor or pharmacist can tell.",
    "alternative_instead_of_care": "It does not recommend something in place of medical care.",
    "self_diagnosis": "A diagnosis needs somebody who can examine you. It can explain illnesses in general.",
    "personal_advice": "A decision about your own care, or about a claim you met, needs somebody who knows you; a note says who.",
    "interaction_personal": "Whether this suits you depends on your other illnesses and medicines; a pharmacist can check.",
    "too_long": "The question is too long to be checked as a whole.",
    "guard_error": "The check did not work, and nothing unchecked is shown.",
    "output_violation": "A sentence of the model's answer was not safe to show, so the answer ends there.",
    "output.reference": "The model named a source that could not be checked, so the answer ends there.",
    "output.identifier": "The model's answer held something that may identify a person, so it ends there.",
    "output.system_prompt": "The model's answer repeated its own instructions, so it ends there.",
    "language": "Its rules are written for English; in other languages only fixed replies are given.",
    "safe_complete": "A note was added, because the question may be about somebody's own care.",
    "other": "The rules of this page do not let the model answer this.",
}
"""By rule where it has a reason of its own, else by intent; the page's script finds them in the same order."""


def reason(action: str, intent: str, rule: str) -> str:
    """The reason for a reply; empty for an answer that is simply allowed."""
    if action == "allow":
        return ""
    known = ("safe_complete",) if action == "safe_complete" else (rule, intent, rule.partition(".")[0], "other")
    return next(REASONS[name] for name in known if name in REASONS)
