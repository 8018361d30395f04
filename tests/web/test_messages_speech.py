"""What a client of messages is told of its prompt where Poe says nothing of it."""

from poe_proxy.canonical.answer import Answer
from poe_proxy.canonical.request import Request
from poe_proxy.canonical.usage import Usage
from poe_proxy.web.messages import MessagesSpeech

BODY = {"model": "gpt-5.4", "max_tokens": 9, "messages": [{"role": "user", "content": "word " * 400}]}
SPEECH = MessagesSpeech(Request(dialect="anthropic_messages", model="gpt-5.4", body=BODY, stream=False), "msg_1")


def test_a_whole_answer_without_usage_has_the_prompt_of_a_stream() -> None:
    assert SPEECH.body(Answer(text="hi"))["usage"]["input_tokens"] > 100
    assert SPEECH.body(Answer(text="hi", usage=Usage(prompt=7)))["usage"]["input_tokens"] == 7
