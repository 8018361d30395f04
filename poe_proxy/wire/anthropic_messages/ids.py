"""Ids of answers as Anthropic writes them. Ids of calls are never changed, but for the mark of a signature."""

_CHAT = "chatcmpl-"
_OURS = "msg_"


def message_id(answer_id: str) -> str:
    """The id of a translated answer: what tells it apart stays, so that it can be found in Poe's words and in ours."""
    return _OURS + answer_id.removeprefix(_CHAT).removeprefix(_OURS)
