"""A lifecycle node whose transitions leave the executor free, and whose errors are logged and end in order.

Of rclpy's own lifecycle node, a transition blocks the executor, and an exception in one is told nowhere.
"""

from __future__ import annotations

import threading
import traceback
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.task import Future

from selcon_ros.core.errors import SelconError, first_line
from selcon_ros.core.text import one_line
from selcon_ros.ros.clock import without_negative

EXECUTOR_SECONDS = 10.0
"""How long a transition waits for the executor, which does what only it may do."""
SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)


class ManagedNode(LifecycleNodeMixin, Node):
    """A node with the five methods below for its transitions.

    Each transition that a service asks for runs in a thread of its own; the state machine refuses a second
    one meanwhile. Each method may raise: the reason is logged, and the node is *unconfigured* then.
    """

    def __init__(self, name: str, **options: Any) -> None:
        Node.__init__(self, name, **options)
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())
        self.fault: Exception | None = None
        """What the last transition raised."""
        self.starting = False
        """`start` is under way."""
        self._broken: Exception | None = None
        """What `break_down` was called with."""
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = self._in_a_thread(service.callback)

    def destroy_node(self) -> None:
        """As rclpy's own, which forgets the state machine: it would keep the node in the ROS graph."""
        # rclpy has no public name for it: where it keeps it elsewhere one day, it goes with the garbage.
        machine = getattr(self, "_state_machine", None)
        if machine is not None:
            machine.destroy_when_not_in_use()
        super().destroy_node()

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Any, *more: Any, **options: Any
    ) -> Any:
        """As rclpy's own, which it uses for /clock too."""
        if topic == "/clock":
            callback = without_negative(callback, self.get_logger())
        return super().create_subscription(msg_type, topic, callback, *more, **options)

    def start(self) -> None:
        """Configure and activate; raises what one of them raises, which is not logged then."""
        self.starting = True
        try:
            for trigger in (self.trigger_configure, self.trigger_activate):
                if trigger() != SUCCESS:
                    raise self.fault or RuntimeError("a transition failed")
        finally:
            self.starting = False

    def break_down(self, error: Exception) -> None:
        """End *unconfigured* because of an error outside of transitions; for the thread of the executor.

        Where the node is not active, or a transition is under way, nothing is done: call it again later.
        """
        if self._broken is not None:
            return
        self._broken = error

        def run() -> None:
            try:
                self.trigger_deactivate()
            except Exception as refused:  # rclpy has no name for it: not active, or in a transition
                self.get_logger().debug(f"break_down: {first_line(refused)}")
            finally:
                self._broken = None

        threading.Thread(target=run, name="transition", daemon=True).start()

    @abstractmethod
    def configure(self) -> None:
        """Make ready what takes time."""

    @abstractmethod
    def activate(self) -> None:
        """Begin to work."""

    @abstractmethod
    def deactivate(self) -> None:
        """End to work."""

    @abstractmethod
    def cleanup(self) -> None:
        """Give back what `configure` has taken, or a part of it that an error left."""

    @abstractmethod
    def note_fault(self, fault: str) -> None:
        """Take note of what a transition raised; "" after one to `inactive`, which ends all that."""

    def in_executor(self, call: Callable[[], None]) -> None:
        """Do something where callbacks run, and wait until it is done; at once before there is an executor.

        Raises SelconError if the executor does not do it.
        """
        executor = self.executor
        if executor is None:
            call()
            return
        done = threading.Event()
        faults: list[Exception] = []

        def run() -> None:
            try:
                call()
            except Exception as error:
                faults.append(error)
            finally:
                done.set()

        executor.create_task(run)
        if not done.wait(EXECUTOR_SECONDS):
            raise SelconError(f"the node's callbacks have not ended within {EXECUTOR_SECONDS:g} s")
        if faults:
            raise faults[0]

    # What rclpy calls.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Configure; on an error take back what was done, and stay unconfigured."""
        if self._do("configure", self.configure):
            self.note_fault("")
            return SUCCESS
        fault = self.fault
        self._do("cleanup", self.cleanup)
        self.fault = fault
        return FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate."""
        return SUCCESS if self._do("activate", self.activate) else ERROR

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate; an error that broke the node down is told instead, and what it left is given back."""
        if (broken := self._broken) is not None:
            self._tell("active", broken)
            return ERROR
        return SUCCESS if self._do("deactivate", self.deactivate) else ERROR

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Clean up."""
        return SUCCESS if self._do("cleanup", self.cleanup) else ERROR

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate and clean up, whatever the state is."""
        self._do("deactivate", self.deactivate)
        self._do("cleanup", self.cleanup)
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give everything back after an error: the node is unconfigured then."""
        fault = self.fault
        self._do("deactivate", self.deactivate)
        self._do("cleanup", self.cleanup)
        self.fault = fault
        return SUCCESS

    def _do(self, name: str, work: Callable[[], None]) -> bool:
        """Do what a transition consists of; returns whether it went well."""
        try:
            work()
        except Exception as error:
            self.fault = error
            if not self.starting:
                self._tell(name, error)
            return False
        return True

    def _tell(self, name: str, error: Exception) -> None:
        """Log an error, with a traceback if it is a fault of ours, and let `note_fault` take note."""
        known = isinstance(error, SelconError)
        reason = one_line(str(error) if known else f"{type(error).__name__}: {error}")
        self.get_logger().error(f"{name}: {reason}")
        if not known:
            self.get_logger().error("".join(traceback.format_exception(error)))
        self.note_fault(f"{name}: {reason}")

    def _in_a_thread(self, change: Callable[..., Any]) -> Callable[..., Any]:
        """The callback of a service that runs in a thread of its own, while the executor goes on."""

        async def call(request: ChangeState.Request, response: ChangeState.Response) -> Any:
            future: Future[Any] = Future(executor=self.executor)
            # It has nothing to do but wake the executor, which would not see that the future is done.
            future.add_done_callback(lambda _: None)

            def run() -> None:
                try:
                    change(request, response)
                except Exception as error:  # from rclpy 7 (Jazzy): no transition of this name from this state
                    self.get_logger().error(f"transition {request.transition.id}: {first_line(error)}")
                    response.success = False
                future.set_result(response)

            threading.Thread(target=run, name="transition", daemon=True).start()
            return await future

        return call
