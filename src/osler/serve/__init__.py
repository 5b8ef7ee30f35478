"""The guarded gateway: an OpenAI-compatible server and a page, both behind the guard, the consent and the kill switch.

Importing this package brings no web framework; `run.serve` and `app` need the `serve` extra.
"""

from osler.serve.config import ServeConfig
from osler.serve.facts import Canary, ServerFacts
from osler.serve.keys import KeyRing, new_key, random_key
from osler.serve.permit import Permit, permit
from osler.serve.run import serve

__all__ = ["Canary", "KeyRing", "Permit", "ServeConfig", "ServerFacts", "new_key", "permit", "random_key", "serve"]
