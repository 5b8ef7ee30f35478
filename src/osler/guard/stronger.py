"""A second look by a guard model behind an OpenAI-compatible endpoint, only where the classifier is unsure.

Works with models whose answer begins with `safe` or `unsafe` (Llama Guard) or `Safety: Unsafe` (Qwen3Guard; its `Controversial`
counts as unsafe). Such models know no graded actions: the action is that of the intent that the classifier thought likeliest.
An endpoint that fails or answers something else raises, and the caller gives the safe reply.
"""

import re
from dataclasses import dataclass

from osler.errors import EnvironmentLacks
from osler.guard.config import GuardConfig
from osler.guard.normalize import plain_view
from osler.guard.policy import CLASSIFIER, Policy
from osler.models.action import Verdict
from osler.models.http import HttpModel
from osler.models.protocol import Model
from osler.records.record import Message

_ANSWER = re.compile(r"\s*(?:safety:\s*)?(unsafe|controversial|safe)\b", re.IGNORECASE)
_MAX_TOKENS = 32
_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class StrongerGuard:
    """A guard model, as a model that is asked with the question alone."""

    model: Model

    def second_look(self, policy: Policy, text: str) -> Verdict:
        """Allow outside the grey band or when the model says safe; else the likeliest intent's action.

        Raises:
            EnvironmentLacks: the answer is neither safe nor unsafe, or the endpoint failed.
        """
        sense = policy.sense
        if sense is None:
            return Verdict("allow")
        guess = sense.classifier.guess(plain_view(text, policy.marks).sentences)
        if guess.intent not in sense.actions or guess.score < sense.spec.grey_from:
            return Verdict("allow")
        reply = self.model.reply([(Message("user", text),)], _MAX_TOKENS)[0]
        said = _ANSWER.match(reply.text)
        if said is None:
            raise EnvironmentLacks(f"{self.model.name} answered neither safe nor unsafe")
        if said[1].lower() == "safe":
            return Verdict("allow")
        return Verdict(sense.actions[guess.intent], guess.intent, f"{CLASSIFIER}.{guess.intent}", None, guess.score)


def stronger_of(config: GuardConfig) -> StrongerGuard | None:
    """The guard model that a recipe names, if it names one."""
    if config.stronger_url is None:
        return None
    return StrongerGuard(HttpModel(config.stronger_url, model=config.stronger_model, timeout_s=_TIMEOUT_S))
