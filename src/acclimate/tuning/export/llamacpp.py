"""llama.cpp in a process of its own, for checks: reads one JSON object a line, writes one list a
line.

    python -m acclimate.tuning.export.llamacpp MODEL.gguf CONTEXT_TOKENS [ADAPTER.gguf]

In: the token ids of a prompt. Out: [id, log-probability] of the 100 likeliest next tokens.
llama.cpp ends its process on some bad files, and writes on stdout: both stay here.
"""

from __future__ import annotations

import json
import os
import sys

# It tells nothing where the next token is the end or half a character, so it is made to write an
# "a"; what it tells is of the logits as they are before that.
_REQUEST = {
    "n_predict": 1,
    "temperature": 0,
    "n_probs": 100,
    "logit_bias": [["a", 1000.0]],
    "cache_prompt": True,
}


def main() -> None:
    """Serve stdin until it ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    import xllamacpp  # the extra `export`

    model, context, *adapters = sys.argv[1:]
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = model, int(context), 1
    params.warmup, params.verbosity = False, 0
    # Its threads wait for each other by spinning: on a busy machine one core more than is free
    # costs minutes.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(
        1, (os.cpu_count() or 1) // 2
    )
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(adapter, 1.0) for adapter in adapters]
    server = xllamacpp.Server(params)
    for line in sys.stdin:
        done = server.handle_completions({**_REQUEST, "prompt": json.loads(line)})
        if "choices" not in done or not done["choices"][0]["logprobs"]:
            sys.exit(f"no log-probabilities: {str(done)[:500]}")
        first = done["choices"][0]["logprobs"]["content"][0]
        out.write(
            json.dumps([[other["id"], other["logprob"]] for other in first["top_logprobs"]]) + "\n"
        )
        out.flush()


if __name__ == "__main__":
    main()
