"""Documents to generated records that quote their page."""
