"""The guard for people who run another server: a middleware for vLLM, a class for LiteLLM, an HTTP endpoint for anything else.

All of them stand the same tests as the gateway (`tests/serve/test_serve_conformance_doors.py`). What only the gateway has: consent,
the kill switch, the audit log, limits, the page.
"""
