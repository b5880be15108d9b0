"""Reasoning, stop tokens and role markers in a reply, by the marks of the model families in use.

Sources: the chat templates of Qwen 3, DeepSeek R1, Magistral, Kimi, Seed-OSS, Command A, Sky-T1,
Granite 3.2, and gpt-oss (the harmony format).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TAGS = (
    "think|thinking|thoughts?|reason|reasoning|analysis|scratchpad|reflection|seed:think|mm:think"
)
OPENING = re.compile(
    rf"(?<!`)(?:<\|?(?:{_TAGS})\|?>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|START_THINKING\|>|<unused94>(?:thought)?)",
    re.IGNORECASE,
)
"""What opens reasoning."""
_CLOSE = re.compile(
    rf"(?<!`)(?:</\|?(?:{_TAGS})\|?>|<\|/(?:{_TAGS})\|>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|END_THINKING\|>"
    r"|<unused95>)",
    re.IGNORECASE,
)
# Of these a closing mark says that reasoning stood before it even where nothing opened it.
_CLOSE_ALONE = re.compile(
    r"(?<!`)(?:</(?:think|thinking|thoughts?|reasoning|seed:think|mm:think)>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>"
    r"|<\|END_THINKING\|>|<unused95>)",
    re.IGNORECASE,
)
# Reasoning that is told in words.
_TOLD = re.compile(
    r"\s*(?:here(?: is|'s) my thought process:(?P<thought>.*?)(?:here(?: is|'s) my response:|\Z)"
    r"|thinking\.\.\.[ \t]*\n(?P<shown>.*?)(?:\n\s*\.\.\.done thinking\.|\Z))\s*",
    re.IGNORECASE | re.DOTALL,
)
_WRAPPER = re.compile(
    r"\s*(?:<(?:answer|final_answer|final|response|output)>|<\|begin_of_solution\|>|<\|START_RESPONSE\|>)",
    re.IGNORECASE,
)
_WRAPPER_END = re.compile(
    r"</(?:answer|final_answer|final|response|output)>|<\|end_of_solution\|>|<\|END_RESPONSE\|>",
    re.IGNORECASE,
)
_CHANNEL = re.compile(
    r"<\|channel\|?>\s*(\w+)[^<\n]*(?:<\|constrain\|>\s*\w+\s*)?(?:<\|message\|>|\n)"
)
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start)\|>|<channel\|>")
# The same, where the server has left the special tokens out.
_BARE_CHANNELS = re.compile(
    r"\s*analysis(?=[A-Z\"'“(])(.*?)(?:assistant\s*final(.*))?\Z", re.DOTALL
)
_ROLE = re.compile(
    r"\s*(?:<\|im_start\|>\s*assistant\s*|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>\s*"
    r"|<start_of_turn>\s*model\s*|<\|(?:assistant|bot|CHATBOT_TOKEN|START_OF_TURN_TOKEN)\|>\s*|<｜Assistant｜>\s*"
    r"|<\|start\|>\s*assistant\s*(?!<\|channel)|<s>(?!.*</s>\s*\S)\s*|</s>\s*|<bos>\s*|<\|begin_of_text\|>\s*|\[/INST\]\s*"
    r"|#+\s*(?:Response|Assistant)\s*:\s*|assistant\s*:\s*|assistant\s*\n+)",
    re.IGNORECASE,
)
_STOP = re.compile(
    r"(?<!`)(?:<\|(?:im_end|im_start|eot_id|eom_id|end_of_text|endoftext|end|start|return|eot|end_of_turn|endofprompt|user|system"
    r"|start_header_id|END_OF_TURN_TOKEN|END_RESPONSE)\|>|</s>|<(?:end|start)_of_turn>|<(?:eos|pad)>|<\|?turn\|?>"
    r"|<｜end▁of▁sentence｜>|<｜User｜>|\[/?INST\])"
)
ENDING = re.compile(
    rf"{_CLOSE.pattern}|<\|message\|>|<channel\|>|assistant\s*final|is my response:|'s my "
    rf"response:|done thinking\.",
    re.IGNORECASE,
)
"""What may end reasoning."""
_MARKS = (OPENING, _CLOSE_ALONE, _WRAPPER_END, _STOP)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply's answer and its reasoning. `unopened` says that nothing marked where the reasoning
    began."""

    text: str
    reasoning: str = ""
    unopened: bool = False


def opens(prefill: str) -> bool:
    """Whether a template's last words open reasoning, so that a reply begins within it."""
    last = max((match.end() for match in OPENING.finditer(prefill)), default=-1)
    return last > max((match.end() for match in _CLOSE.finditer(prefill)), default=-1)


def first_mark(text: str) -> int:
    """Where the first mark stands that an answer may end or go over into reasoning with; the text's
    length where there is none."""
    found = (mark.search(text) for mark in _MARKS)
    return min((match.start() for match in found if match), default=len(text))


def read_reply(text: str, *, silent: bool = False) -> Reply:
    """The parts of a model's text, which is unchanged, to the letter, where there is nothing to
    take off.

    `silent`: the reply begins within reasoning, whatever it says.
    """
    for split in (_harmony, _told):
        if (found := split(text)) is not None:
            return Reply(_trimmed(found.text).strip(), found.reasoning)
    said, reasoning, unopened = _tagged(_without_role(text), silent)
    said = _trimmed(said)
    return Reply(text if said == text else said.strip(), reasoning, unopened)


def _harmony(text: str) -> Reply | None:
    """The channels of gpt-oss: what is final is the answer, all else is reasoning."""
    starts = list(_CHANNEL.finditer(text))
    if not starts:
        bare = _BARE_CHANNELS.match(text)
        return Reply((bare[2] or "").strip(), bare[1].strip()) if bare else None
    said: list[str] = []
    thought: list[str] = []
    for place, match in enumerate(starts):
        body = text[
            match.end() : starts[place + 1].start() if place + 1 < len(starts) else len(text)
        ]
        end = _CHANNEL_END.search(body)
        held, rest = (body[: end.start()], body[end.end() :]) if end else (body, "")
        (said if match[1] == "final" else thought).append(held.strip())
        if end and end[0] == "<channel|>":  # of one family the answer follows the channel
            said.append(rest.strip())
    return Reply("\n".join(filter(None, said)), "\n".join(filter(None, thought)))


def _told(text: str) -> Reply | None:
    match = _TOLD.match(text)
    return (
        Reply(text[match.end() :], (match["thought"] or match["shown"] or "").strip())
        if match
        else None
    )


def _tagged(text: str, silent: bool) -> tuple[str, str, bool]:
    """Answer and reasoning, and whether the reasoning began without a mark."""
    said, thought, at, unopened = "", [], 0, False
    inside = silent and not OPENING.match(text.lstrip())
    while at < len(text):
        if inside:
            end = _CLOSE.search(text, at)
            thought.append(text[at : end.start() if end else len(text)])
            at, inside, unopened = (
                (end.end() if end else len(text)),
                False,
                unopened or (silent and not said),
            )
            continue
        opening, closing = _opening(text, at), _CLOSE_ALONE.search(text, at)
        if closing and (opening is None or closing.start() < opening.start()):
            if (
                text[closing.end() :].strip() or not thought
            ):  # else a mark too many after the answer
                thought.append(said + text[at : closing.start()])
                said, unopened = "", True
            else:
                said += text[at : closing.start()]
            at = closing.end()
            continue
        said += text[at : opening.start() if opening else len(text)]
        at, inside = (opening.end() if opening else len(text)), opening is not None
    return said, "\n".join(filter(None, (part.strip() for part in thought))), unopened


def _opening(text: str, at: int) -> re.Match[str] | None:
    """The next mark that opens reasoning: one that is closed later, or begins the text or a
    line."""
    for match in OPENING.finditer(text, at):
        before = text[: match.start()].rstrip(" \t")
        if (
            not before
            or before.endswith("\n")
            or match.start() == at
            or _CLOSE.search(text, match.end())
        ):
            return match
    return None


def _without_role(text: str) -> str:
    while match := _ROLE.match(text):
        text = text[match.end() :]
    return text


def _trimmed(text: str) -> str:
    """Without role markers before it, a wrapper around it, and what follows a stop token."""
    body = _without_role(text)
    if match := _WRAPPER.match(body):
        body = _WRAPPER_END.sub("", body[match.end() :], count=1)
    for match in _STOP.finditer(body):
        if match[0] == "</s>" and "<s>" in body[: match.start()]:  # a line struck through
            continue
        body = body[: match.start()]
        break
    return body
