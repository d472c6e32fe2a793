"""A sender on fakes, block by block."""

from __future__ import annotations

from closeout.keeper.breaker import Ceilings
from closeout.keeper.fees import FeePolicy
from closeout.keeper.ports import Action, Block, Decision, Funding, Intent
from closeout.keeper.sender import Happened, Sender, SenderOptions, What
from closeout.keeper.sending import Worth
from closeout.keeper.sending_fakes import FakeEncoder, FakeNode, FakeOutbox, FakeSigner

__all__ = ["GENEROUS", "GWEI", "WORTH", "Stage", "everything", "intent", "nothing"]

GWEI = 10**9
WAD = 10**18
# ether at 2 000 USD
WORTH = Worth(2_000 * WAD)
GENEROUS = SenderOptions(
    FeePolicy(most_fee=1_000 * GWEI), Ceilings(gas_per_hour=10**21, loss_per_hour=10**24, streak=10**6)
)


def intent(account: int, block: Block, profit: int = 40, gas_limit: int = 120_000) -> Intent:
    """A close-out that earns so many dollars after 10 dollars of gas."""
    return Intent(
        Action.CLOSE_OUT,
        account,
        block,
        Funding.FLASH,
        expected_profit_wad=profit * WAD,
        expected_gas_cost_wad=10 * WAD,
        gas_limit=gas_limit,
    )


def everything(_data: str) -> bool:
    return True


def nothing(_data: str) -> bool:
    return False


class Stage:
    """`wants`: accounts to be closed out, as a brain sees it: those of whom the chain says that they are not yet."""

    def __init__(
        self, options: SenderOptions = GENEROUS, node: FakeNode | None = None, outbox: FakeOutbox | None = None
    ) -> None:
        self.node = node or FakeNode()
        self.outbox = outbox or FakeOutbox()
        self.options = options
        self.wants: list[int] = []
        self.told: list[Happened] = []
        self.start()

    def start(self) -> None:
        """A process that knows what the journal knows."""
        self.sender = Sender(self.node, FakeSigner(), FakeEncoder(), self.outbox, self.options)

    def step(self, *accounts: int) -> list[Happened]:
        """What the sender does about the newest block; `accounts` are wanted from now on."""
        self.wants += accounts
        head, done = self.node.head, self.node.done
        open_ = [intent(account, head) for account in self.wants if f"0x{account:x}" not in done]
        happened = self.sender.on_block(Decision(head, tuple(open_)), WORTH)
        self.told += happened
        return happened

    def block(self, seconds: int = 12, count: int | None = None) -> list[Happened]:
        """One more block, and what the sender does about it."""
        self.node.mine(seconds, count)
        return self.step()

    def what(self, *kinds: What) -> list[tuple[What, int]]:
        """(what, account) of all that happened so far, of these kinds."""
        return [(item.what, item.key[1]) for item in self.told if item.what in kinds]

    def accounts_of(self, happened: list[Happened], what: What) -> list[int]:
        return [item.key[1] for item in happened if item.what is what]
