"""The program of `llama.LlamaProcess`: reads its options as one line of JSON, serves the file, ends when its input ends.

The options come by the pipe and not by arguments, which every user of the machine may read, because the key is among them.
"""

import json
import os
import sys


def main() -> None:
    """Serve until the parent closes the pipe or dies."""
    import xllamacpp

    options = json.loads(sys.stdin.readline())
    params = xllamacpp.CommonParams()
    params.model.path = options["path"]
    params.n_parallel = options["n_parallel"]
    # llama.cpp parts its context among the answers that it makes at once.
    params.n_ctx = options["n_context"] * options["n_parallel"]
    params.n_batch = params.n_ubatch = min(2048, options["n_context"])
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options["n_threads"]
    params.n_gpu_layers = 0
    if options["is_exact"]:
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.warmup = False
    params.use_jinja = True
    params.verbosity = -1
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [options["key"]]
    params.endpoint_slots = params.endpoint_props = False
    params.ui = False
    # What one caller asked must not change the rounding of what another is told.
    params.cache_prompt = False
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        sys.stdout.write(f"{error}\n")
        return
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()
    # Nothing is left to save, and a parent that is gone waits for no destructor.
    os._exit(0)


if __name__ == "__main__":
    main()
