"""What a lifecycle manager does to a node, through its services."""

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState

CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP


class Manager:
    """What a lifecycle manager does to the node."""

    def __init__(self, robot):
        self.robot = robot
        self.change = robot.create_client(ChangeState, "grounding/change_state")
        self.state = robot.create_client(GetState, "grounding/get_state")
        for each in (self.change, self.state):
            robot.until(each.service_is_ready, "the lifecycle services")

    def begin(self, transition: int):
        return self.change.call_async(ChangeState.Request(transition=Transition(id=transition)))

    def __call__(self, transition: int) -> bool:
        """Go through a transition, and return whether it went well."""
        asked = self.begin(transition)
        self.robot.until(asked.done, "the transition")
        return asked.result().success

    @property
    def now(self) -> int:
        asked = self.state.call_async(GetState.Request())
        self.robot.until(asked.done, "the state")
        return asked.result().current_state.id
