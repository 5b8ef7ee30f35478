"""The guarded gateway: an OpenAI-compatible server and a page, both behind the guard, the consent and the kill switch.

Importing this package brings no web framework; `serve` needs the extra of that name.
"""

from osler.serve.config import ServeConfig
from osler.serve.facts import ServerFacts
from osler.serve.permit import Permit
from osler.serve.run import serve

__all__ = ["Permit", "ServeConfig", "ServerFacts", "serve"]
