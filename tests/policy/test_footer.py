"""The footer to the letter; when there is one; and that exactly it, and nothing else, is taken out of the history."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poe_proxy.canonical.card import FooterMode, Modality, ModelCard
from poe_proxy.canonical.cost import Cost
from poe_proxy.canonical.errors import StreamBroken
from poe_proxy.canonical.events import Event, Failed, Finished, Reasoning, Refusal, Started, Text, ToolCall, Used
from poe_proxy.canonical.usage import Usage
from poe_proxy.policy.footer import FooterStage, is_wanted, out_of_history, stripped, text, warning

CARD = ModelCard("gpt", "gpt")
IMAGES = replace(CARD, modality=Modality.IMAGE)
USAGE = Usage(1200, 34)
COST = Cost(24, "settled", 842_500)
TOKENS = "Tokens: 1,234 total (1,200 in, 34 out)"


# --- the text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "cost", "line"),
    [
        (USAGE, COST, f"{TOKENS} | Points: 24 ($0.00072) | Balance: 842,500"),
        (USAGE, Cost(24, "estimated", 842_500), f"{TOKENS} | Points: 24 est. | Balance: 842,500"),
        (USAGE, Cost(None, None, 842_500), f"{TOKENS} | Balance: 842,500"),
        (USAGE, Cost(24, "settled"), f"{TOKENS} | Points: 24 ($0.00072)"),
        (USAGE, Cost(), TOKENS),
        (None, COST, "Points: 24 ($0.00072) | Balance: 842,500"),
        (None, Cost(balance=0), "Balance: 0"),
        (None, Cost(0, "settled"), "Points: 0 ($0)"),
        (None, Cost(1_234_567, "settled"), "Points: 1,234,567 ($37.03701)"),
        (None, Cost(1000, "settled"), "Points: 1,000 ($0.03)"),
        (None, Cost(100_000, "settled"), "Points: 100,000 ($3)"),
        (None, Cost(10_000_000, "settled"), "Points: 10,000,000 ($300)"),
    ],
)
def test_the_footer_to_the_letter(usage: Usage | None, cost: Cost, line: str) -> None:
    assert text(usage, cost) == f"\n\n---\n{line}"


def test_where_nothing_is_known_there_is_no_footer() -> None:
    assert text(None, Cost()) == ""
    assert text(None, Cost(), "Warning: …") == ""


def test_a_warning_names_cheaper_models_in_a_line_of_its_own() -> None:
    line = warning(5000, [(replace(CARD, name="nano"), 12), (replace(CARD, name="mini"), 1234)])
    assert line == (
        "Warning: more than 5,000 points for one answer. Cheaper: nano (about 12 points), mini (about 1,234 points)"
    )
    assert text(USAGE, COST, line).endswith(f"842,500\n\n{line}")
    assert warning(5000, []) == "Warning: more than 5,000 points for one answer."


# --- when -------------------------------------------------------------------------------------------------------------

HARMED: list[Any] = [{"tools": [{}]}, {"functions": [{}]}, {"response_format": {"type": "json_object"}}]
UNHARMED: list[Any] = [{}, {"tools": []}, {"tools": None}, {"response_format": {"type": "text"}}, {"tool_choice": None}]


@pytest.mark.parametrize("body", HARMED)
def test_auto_leaves_it_out_of_what_programs_read(body: Any) -> None:
    assert not is_wanted("", CARD, "auto", body)
    assert is_wanted("", CARD, "always", body)
    assert is_wanted("on", CARD, "auto", body)


@pytest.mark.parametrize("body", UNHARMED)
def test_auto_puts_it_under_all_other_texts(body: Any) -> None:
    assert is_wanted("", CARD, "auto", body)
    assert not is_wanted("", CARD, "never", body)


def test_auto_leaves_it_out_of_media() -> None:
    assert not is_wanted("", IMAGES, "auto", {})
    assert is_wanted("", replace(IMAGES, footer="always"), "auto", {})


@pytest.mark.parametrize("setting", ["auto", "always", "never"])
def test_the_model_goes_before_the_setting_and_the_request_before_both(setting: FooterMode) -> None:
    assert is_wanted("", replace(CARD, footer="always"), setting, HARMED[0])
    assert not is_wanted("", replace(CARD, footer="never"), setting, {})
    assert is_wanted(" On ", replace(CARD, footer="never"), setting, {})
    assert not is_wanted("OFF", replace(CARD, footer="always"), setting, {})
    assert is_wanted("maybe", replace(CARD, footer="always"), setting, {})


# --- out of the history -----------------------------------------------------------------------------------------------

counts = st.integers(0, 10**9)
usages = st.none() | st.builds(Usage, counts, counts)
costs = st.builds(
    lambda points, source, balance: Cost(points, source if points is not None else None, balance),
    st.none() | counts,
    st.sampled_from(["settled", "estimated"]),
    st.none() | counts,
)
model_names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=200)
offers = st.lists(st.tuples(st.builds(lambda name: replace(CARD, name=name), model_names), counts), max_size=3)
footers = st.builds(
    lambda usage, cost, warns, at, offered: text(usage, cost, warning(at, offered) if warns else ""),
    usages,
    costs,
    st.booleans(),
    counts,
    offers,
)


@given(st.text(), st.lists(footers, max_size=4))
def test_what_was_appended_is_taken_off_and_nothing_else(said: str, appended: list[str]) -> None:
    assert stripped(said + "".join(appended)) == said


@given(st.text(), footers.filter(bool), st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1))
def test_a_footer_in_the_middle_stays(before: str, footer: str, after: str) -> None:
    """Unless what follows reads as more of a warning's line."""
    said = f"{before}{footer}\n{after}"
    assert stripped(said) == said


@given(st.text(alphabet="-\n\r |:Tokens0,1()Points$.Balance", max_size=80))
def test_what_only_looks_similar_stays(said: str) -> None:
    assert stripped(said) == said


FOOTER = text(USAGE, COST)


@pytest.mark.parametrize(
    "said",
    [
        "Two parts:\n\n---\nand the second",
        "\n\n---\nTokens: many | Points: few",
        "\n\n---\nTokens: 1234 total (1200 in, 34 out)",
        "\n---\nBalance: 1",
        "\n\n----\nBalance: 1",
        "\n\n---\n\nBalance: 1",
        "\n\n---\nBalance: 1 | Points: 2 ($0.00006)",
        "\n\n---\nBalance: 1\nWhat does this line mean?",
        "\n\n---\nBalance: 1\n\nWarning: the bridge is out.",
        "Warning: more than 5,000 points for one answer.",
        "---\nnotes",
        "",
        "---",
    ],
)
def test_text_that_is_no_footer_stays(said: str) -> None:
    assert stripped(said) == said


@pytest.mark.parametrize(
    "said",
    [
        FOOTER + "\n",
        FOOTER + "  \n\n",
        FOOTER.replace("\n", "\r\n"),
        FOOTER + FOOTER,
        FOOTER + "\n" + FOOTER,
        text(USAGE, replace(COST, source="estimated")),
        f"\n\n---\n{TOKENS} | Points: 24 est. ($0.00072) | Balance: 842,500",
    ],
)
def test_clients_may_have_trimmed_and_stacked_it(said: str) -> None:
    assert stripped(f"The answer.{said}") == "The answer."


def test_an_empty_answers_trimmed_footer_leaves_nothing() -> None:
    assert stripped(FOOTER.strip()) == ""


def test_only_assistants_lose_their_footers() -> None:
    roles = ["system", "developer", "user", "tool", "function"]
    messages = [{"role": role, "content": f"quoted{FOOTER}"} for role in roles]
    assert out_of_history(messages) == (messages, 0)
    clean, footers = out_of_history([*messages, {"role": "assistant", "content": f"said{FOOTER}", "name": "x"}])
    assert clean[-1] == {"role": "assistant", "content": "said", "name": "x"}
    assert footers == 1


def test_the_clients_own_messages_are_never_changed_in_place() -> None:
    said = {"role": "assistant", "content": f"said{FOOTER}"}
    kept = {"role": "assistant", "content": "said"}
    clean, _ = out_of_history([said, kept])
    assert said["content"] == f"said{FOOTER}"
    assert clean[1] is kept


def parts(*texts: str) -> Any:
    return [{"type": "text", "text": said} for said in texts]


@pytest.mark.parametrize(
    ("content", "clean"),
    [
        (parts(f"said{FOOTER}"), parts("said")),
        (parts("said", FOOTER), parts("said")),
        (parts("said" + FOOTER, FOOTER, FOOTER), parts("said")),
        (parts(FOOTER), parts("")),
        (parts(f"said{FOOTER}", " \n"), parts("said")),
        (parts("said", " \n"), parts("said", " \n")),
        (parts(f"said{FOOTER}{' ' * 3000}"), parts("said")),
        (parts(f"one{FOOTER}", "two"), parts(f"one{FOOTER}", "two")),
        (None, None),
        ([], []),
        ([{"type": "refusal", "refusal": f"no{FOOTER}"}], [{"type": "refusal", "refusal": f"no{FOOTER}"}]),
        ([*parts(f"x{FOOTER}"), {"type": "image_url"}], [*parts(f"x{FOOTER}"), {"type": "image_url"}]),
    ],
)
def test_text_parts_lose_theirs_at_the_very_end(content: Any, clean: Any) -> None:
    messages, _ = out_of_history([{"role": "assistant", "content": content}])
    assert messages == [{"role": "assistant", "content": clean}]


# --- the stage --------------------------------------------------------------------------------------------------------

BEGUN, HELLO, DONE, USED = Started("1", 1, "m"), Text("hello"), Finished("stop"), Used(USAGE)


def run(events: list[Event], *, is_on: bool) -> tuple[list[Event], list[Event]]:
    """What leaves while the answer comes, and what at its end."""
    stage = FooterStage(is_on=is_on)
    passed = [event for one in events for event in stage.push([one])]
    return passed, stage.close(FOOTER if stage.waits else "", COST)


def test_the_footer_comes_between_the_text_and_the_finish_and_the_usage_has_the_cost() -> None:
    assert run([BEGUN, HELLO, DONE, USED], is_on=True) == (
        [BEGUN, HELLO],
        [Text(FOOTER), DONE, Used(USAGE, None, COST)],
    )


def test_without_a_footer_only_the_usage_is_held() -> None:
    assert run([BEGUN, HELLO, DONE, USED], is_on=False) == ([BEGUN, HELLO, DONE], [Used(USAGE, None, COST)])


def test_content_is_never_held_not_even_after_the_finish() -> None:
    passed, _ = run([BEGUN, Reasoning("hm"), DONE, HELLO, USED], is_on=True)
    assert passed == [BEGUN, Reasoning("hm"), HELLO]


def test_a_failure_passes_with_all_that_was_held_and_there_is_no_footer() -> None:
    failed = Failed(StreamBroken("cut"))
    assert run([BEGUN, HELLO, DONE, failed], is_on=True) == ([BEGUN, HELLO, DONE, failed], [])


def test_an_attempt_that_is_repeated_has_one_end() -> None:
    assert run([BEGUN, DONE, BEGUN, HELLO, DONE], is_on=True)[1] == [Text(FOOTER), DONE]


def test_there_is_nothing_to_put_a_footer_under_in_a_mere_refusal() -> None:
    assert run([BEGUN, Refusal("no"), DONE, USED], is_on=True)[1] == [DONE, Used(USAGE, None, COST)]
    assert run([BEGUN, DONE], is_on=True)[1] == [Text(FOOTER), DONE]
    assert run([BEGUN, ToolCall(0, "1", "f"), DONE], is_on=True)[1] == [Text(FOOTER), DONE]
