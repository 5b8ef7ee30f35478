"""What people write, as values: sections of a recipe and files beside it."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping that people write: an unknown key is refused, no number is infinite, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
