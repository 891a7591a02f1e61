"""Questions that wait: each is replied to once, with an answer or with the reason why there is none."""

import math
import threading
import time
from collections import Counter

import pytest

from selcon_ros.core.grasps.grasp_result import Refusal
from selcon_ros.core.reason import Reason
from selcon_ros.ros.questions import MAX_QUESTIONS, Question, Questions

ENDS = Refusal(Reason.CANCELED, "the node ends")


def question(replies: list, new_image: bool = False, timeout: float = 60.0, **more) -> Question:
    return Question(("hold",), new_image, timeout, replies.append, **more)


def test_an_answer_goes_to_the_question_and_only_once():
    questions, replies = Questions(), []
    questions.ask(asked := question(replies))
    assert questions.waiting == 1 and questions.take(time.monotonic(), old=False) == (asked,)
    assert questions.waiting == 1 and not replies
    assert not questions.take(time.monotonic(), old=False)  # one image answers it
    questions.reply(asked, "found")
    questions.reply(asked, "again")
    assert replies == ["found"] and not questions.waiting


@pytest.mark.parametrize(
    ("new_image", "arrived", "old", "due"),
    [
        (False, -0.1, False, True),
        (False, -9.0, True, False),
        (False, 0.1, True, True),
        (True, -0.1, False, False),
        (True, 0.0, False, True),
        (True, 0.1, False, True),
    ],
)
def test_which_image_answers(new_image, arrived, old, due):
    questions = Questions()
    questions.ask(question([], new_image, asked=100.0))
    assert bool(questions.take(100.0 + arrived, old)) == due


def test_one_more_than_fit_is_refused():
    questions, replies, refused = Questions(), [], []
    for _ in range(MAX_QUESTIONS):
        questions.ask(question(replies))
    questions.ask(question(refused))
    assert not replies and [each.reason for each in refused] == [Reason.TOO_MANY_REQUESTS]
    assert questions.waiting == MAX_QUESTIONS


def test_while_closed_all_are_refused():
    questions, replies = Questions(), []
    questions.ask(question(replies))
    questions.close(ENDS)
    questions.ask(question(replies))
    assert replies == [ENDS, ENDS] and not questions.waiting
    questions.open()
    questions.ask(question(replies))
    assert len(replies) == 2 and questions.waiting == 1


@pytest.mark.parametrize(
    ("new_image", "newest", "reason", "says"),
    [
        (False, None, Reason.NO_IMAGE, "no image has come yet, nor within 2 s of the request"),
        (True, None, Reason.NO_IMAGE, "no image has come yet"),
        (False, 1.0, Reason.TIMEOUT, "an image came, but was not answered within 2 s"),
        (True, -0.5, Reason.TIMEOUT, "the last came 0.5 s before the request"),
        (
            False,
            -7.0,
            Reason.OLD_IMAGE,
            "no image came within 2 s; the newest came 7.0 s before the request, more than 1 s",
        ),
        (False, -0.5, Reason.TIMEOUT, "the newest image was not answered within 2 s"),
    ],
)
def test_whose_time_is_over_hears_why(new_image, newest, reason, says):
    questions, replies = Questions(), []
    asked = time.monotonic() - 3.0
    questions.ask(question(replies, new_image, timeout=2.0, asked=asked))
    questions.ask(question(replies, new_image, timeout=9.0, asked=asked))
    questions.expire(None if newest is None else asked + newest, max_age=1.0)
    assert [each.reason for each in replies] == [reason] and says in replies[0].text
    assert questions.waiting == 1


def test_without_a_limit_no_image_is_too_old():
    questions, replies = Questions(), []
    questions.ask(question(replies, timeout=0.0))
    questions.expire(time.monotonic() - 1e6, max_age=0.0)
    assert replies[0].reason == Reason.TIMEOUT


@pytest.mark.parametrize("ending", ["expire", "close", "cancel"])
def test_one_that_an_image_is_to_answer_is_refused_all_the_same(ending):
    questions, replies = Questions(), []
    questions.ask(asked := question(replies, timeout=0.0, owner="me"))
    questions.take(time.monotonic(), old=False)
    {
        "expire": lambda: questions.expire(None, 0.0),
        "close": lambda: questions.close(ENDS),
        "cancel": lambda: questions.cancel("me", ENDS),
    }[ending]()
    questions.reply(asked, "found")
    assert len(replies) == 1 and isinstance(replies[0], Refusal) and not questions.waiting


def deferred(timeout: float = 60.0, by: float = math.inf) -> tuple[Questions, Question, list]:
    questions, replies = Questions(), []
    questions.ask(asked := question(replies, timeout=timeout, owner="me"))
    questions.take(time.monotonic(), old=False)
    questions.defer(asked, "without depth", by)
    return questions, asked, replies


def test_a_deferred_one_is_answered_by_a_newer_image():
    questions, asked, replies = deferred()
    questions.expire(time.monotonic(), 0.0)
    assert not replies and questions.take(time.monotonic(), old=False) == (asked,)
    questions.reply(asked, "with depth")
    questions.defer(asked, "too late", -math.inf)
    questions.expire(time.monotonic(), 0.0)
    assert replies == ["with depth"] and not questions.waiting


@pytest.mark.parametrize("over", [{"timeout": 0.0}, {"by": 0.0}])
@pytest.mark.parametrize("taken_again", [False, True])
def test_a_deferred_one_has_its_answer_at_the_end(over, taken_again):
    questions, asked, replies = deferred(**over)
    if taken_again:
        questions.take(time.monotonic(), old=False)
    questions.expire(time.monotonic(), 0.0)
    questions.reply(asked, "again")
    assert replies == ["without depth"] and not questions.waiting


def test_a_deferred_one_keeps_its_answer_where_a_newer_image_fails():
    questions, asked, replies = deferred()
    questions.fail(asked, ENDS)
    questions.ask(another := question(replies))
    questions.fail(another, ENDS)
    assert replies == ["without depth", ENDS] and not questions.waiting


def test_a_deferred_one_is_canceled_all_the_same():
    questions, _, replies = deferred()
    questions.cancel("me", ENDS)
    assert replies == [ENDS]


def test_a_reply_may_ask_again():
    questions, replies = Questions(), []
    questions.ask(Question(("hold",), False, 9.0, lambda _: questions.ask(question(replies))))
    questions.close(ENDS)
    assert replies == [ENDS]


def test_many_threads_and_each_question_has_one_reply():
    """Some ask, one answers, one lets the time pass, and at the end all that wait are refused."""
    questions: Questions = Questions(most=20)
    replies: Counter = Counter()
    kinds: Counter = Counter()
    lock, ended = threading.Lock(), threading.Event()

    def asking(thread: int) -> None:
        for number in range(300):

            def reply(answer, key=(thread, number)) -> None:
                with lock:
                    replies[key] += 1
                    kinds[answer.reason.value if isinstance(answer, Refusal) else answer] += 1

            questions.ask(Question(("hold",), False, 0.002 * (number % 3), reply))

    def answering() -> None:
        while not ended.is_set():
            for each in questions.take(time.monotonic(), old=False):
                time.sleep(0.0005)
                questions.reply(each, "found")

    def expiring() -> None:
        while not ended.is_set():
            questions.expire(time.monotonic(), 0.0)

    threads = [threading.Thread(target=asking, args=(number,)) for number in range(4)]
    others = [threading.Thread(target=target) for target in (answering, expiring)]
    for each in (*others, *threads):
        each.start()
    for each in threads:
        each.join()
    questions.close(ENDS)
    ended.set()
    for each in others:
        each.join()
    assert len(replies) == 1200 and set(replies.values()) == {1}
    assert set(kinds) <= {"found", "timeout", "too_many_requests", "canceled"}
