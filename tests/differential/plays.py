"""Random histories of a whole Vault: several users, several assets, every action; played on the reference model first.

The model's state leads the choice, so that most calls mean something; what the model says to each is what the contracts
are then held to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from closeout.model import (
    INSURANCE_FUND,
    MAX_UINT256,
    PENALTY_SPLITTER,
    TREASURY,
    AccountId,
    CloseOutRequest,
    Deleverage,
    ModelRevert,
    Vault,
)
from closeout.units import WAD
from tests.differential.settings import DAY, Setting

START = 1_900_000_000
USERS = ("lender", "second lender", "borrower", "second borrower", "liquidator", "stranger")
HOLDERS = (*USERS, TREASURY, INSURANCE_FUND, PENALTY_SPLITTER)
ACCOUNTS = (
    AccountId("borrower", 0),
    AccountId("borrower", 1),
    AccountId("borrower", 2**96 - 1),
    AccountId("second borrower", 0),
    AccountId("second borrower", 7),
)


@dataclass(frozen=True, slots=True)
class Move:
    """One call of one user. `arguments` in the contract's order, parties by name; `play` makes the model do it.

    `target` names the contract that is called; `before` are calls that prepare it, in the same block.
    """

    name: str
    caller: str
    function: str
    arguments: tuple[Any, ...]
    play: Callable[[Any], Any]
    target: str = "vault"
    before: tuple[Move, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A move at a time, with what the model said: its answer, or its refusal."""

    time: int
    move: Move
    answer: Any
    refusal: ModelRevert | None


class Play:
    """One history. Iterating makes it: after each step, `vault` is the model as it is then.

    `is_still`: prices and time never move, so that accounts that start healthy stay it by all but their owners' doing.
    """

    model: type[Vault] = Vault
    users: tuple[str, ...] = USERS
    holders: tuple[str, ...] = HOLDERS

    def __init__(self, setting: Setting, random: Random, length: int, *, is_still: bool = False) -> None:
        self._is_still = is_still
        self.vault: Any = setting.in_the_model(START, self.model)
        self.deleverages: dict[AccountId, Deleverage] = {}
        self._setting, self._random, self._length = setting, random, length
        self._base = [asset.price_wad for asset in setting.assets]
        self._held = [n for n, asset in enumerate(setting.assets) if asset.collateral.liquidation_threshold]
        self._lent = [n for n, asset in enumerate(setting.assets) if asset.borrowing.supply_cap]

    def __iter__(self) -> Iterator[Step]:
        yield from self.opening()
        for _ in range(self._length):
            yield self._step(self._move())

    def opening(self) -> Iterator[Step]:
        """Lenders supply and accounts are opened."""
        yield self._step(self._turn(1, list(self._base)))
        for n in self._lent:
            yield self._step(self._supply_of(n, self._units(n, 1_000_000)))
        for account in ACCOUNTS[: self._random.randint(3, 5)]:
            yield self._step(self._deposit_into(account, self._first_collateral()))
            yield self._step(self._borrow_for(account))

    def _first_collateral(self) -> int:
        return self._random.choice(self._held)

    def _step(self, move: Move) -> Step:
        try:
            answer, refusal = move.play(self.vault), None
        except ModelRevert as revert:
            answer, refusal = None, revert
        if move.name == "set deleverage" and refusal is None:
            account, terms = move.arguments
            if any(terms):
                self.deleverages[account] = Deleverage(*terms)
            else:
                self.deleverages.pop(account, None)
        return Step(self.vault.now, move, answer, refusal)

    def _move(self) -> Move:
        moves = self.moves()
        if any(map(self.vault.uncovered_loss_of, self._lent)) and self._random.random() < 0.2:
            return self._random.choice((self._withdraw, self._redeem))()
        weights = [weight for weight, _ in moves.values()]
        [(_, make)] = self._random.choices(list(moves.values()), weights)
        return make()

    def moves(self) -> dict[str, tuple[int, Callable[[], Move]]]:
        """Every kind of move: its weight, and what makes one."""
        return {
            "prices": (8, self._prices),
            "close out": (44, self._close_out),
            "deposit": (8, self._deposit),
            "withdraw collateral": (7, self._withdraw_collateral),
            "borrow": (12, self._borrow),
            "repay": (8, self._repay),
            "supply": (4, self._supply),
            "withdraw": (4, self._withdraw),
            "redeem": (4, self._redeem),
            "claim": (4, self._claim),
            "credit claim": (3, self._credit_claim),
            "margin call": (4, self._margin_call),
            "clear margin call": (3, self._clear_margin_call),
            "write off": (12, self._write_off),
            "note insolvency": (6, self._note_insolvency),
            "set deleverage": (4, self._set_deleverage),
            "set operator": (1, self._set_operator),
            "set pauses": (1, self._set_pauses),
            "split": (1, self._split),
        }

    # ------------------------------------------------------------------------------------------------------ choices

    def _user(self) -> str:
        return self._random.choice(self.users)

    def _account(self, wanted: Callable[[AccountId], Any] = bool) -> AccountId:
        """Mostly one that is as wanted, where there is one."""
        fitting = [account for account in ACCOUNTS if wanted(account)] if self._random.random() < 0.85 else []
        return self._random.choice(fitting or ACCOUNTS)

    def _is_unhealthy(self, account: AccountId) -> bool:
        return self.vault.health_of(account).health_factor_wad < WAD

    def _is_due(self, account: AccountId) -> bool:
        """Below 1, or below what its owner said."""
        terms = self.deleverages.get(account)
        return self.vault.health_of(account).health_factor_wad < (terms.trigger_health_factor_wad if terms else WAD)

    def _owes(self, account: AccountId) -> bool:
        return bool(self.vault.position_of(account).debt)

    def _owned(self, of: Callable[[int, str], int], holders: tuple[str, ...]) -> tuple[int, str]:
        """An asset and a holder, mostly one who has some."""
        pairs = [(n, holder) for n in range(len(self._base)) for holder in holders if of(n, holder)]
        if pairs and self._random.random() < 0.85:
            return self._random.choice(pairs)
        return self._any(), self._random.choice(holders)

    def _owner(self, account: AccountId) -> str:
        return account.owner if self._random.random() < 0.9 else self._user()

    def _any(self) -> int:
        return self._random.randrange(len(self._setting.assets) + (self._random.random() < 0.03))

    def _units(self, asset: int, value: float) -> int:
        """Token units worth about so many USD at the first price."""
        return int(value * WAD) * 10 ** self._setting.assets[asset].decimals // self._base[asset]

    def _amount_of(self, asset: int, most: int) -> int:
        """Some of what there is, all of it, a unit more, nothing, or next to nothing."""
        random = self._random
        if asset >= len(self._setting.assets):
            return 1
        part = int(most * random.random())
        return random.choice(
            (part, part, part, part, most, most, most + 1, 1, random.choice((0, random.randint(0, 1000))))
        )

    def _subset(self) -> frozenset[int]:
        return frozenset(n for n in range(len(self._setting.assets)) if self._random.random() < 0.5)

    def _named(self, held: Collection[int]) -> frozenset[int] | None:
        """All, some of what is held, or anything."""
        kind = self._random.random()
        if kind < 0.5:
            return None
        return self._subset() if kind < 0.6 or not held else frozenset(self._random.choices(list(held), k=len(held)))

    def _rarely(self) -> frozenset[int]:
        return self._subset() if self._random.random() < 0.15 else frozenset()

    # ------------------------------------------------------------------------------------------------------ lenders

    def _supply(self) -> Move:
        asset = self._any()
        return self._supply_of(asset, self._amount_of(asset, self._units(min(asset, 6), 200_000)))

    def _supply_of(self, asset: int, amount: int) -> Move:
        caller, receiver = self._random.choice(USERS[:2]), self._random.choice((*USERS[:3], "liquidator"))
        return Move(
            "supply", caller, "supply", (asset, amount, receiver), lambda v: v.supply(caller, asset, amount, receiver)
        )

    def vault_shares(self, asset: int, holder: str) -> int:
        return self.vault.supply_shares_of(asset, holder)

    def _leaver(self) -> tuple[int, str]:
        """A lender and his asset: mostly one that leaves behind his part of a loss, where there is one."""
        lenders = (*self.users, TREASURY)
        burdened = [n for n in self._lent if self.vault.uncovered_loss_of(n)]
        pairs = [(n, holder) for n in burdened for holder in lenders if self.vault_shares(n, holder)]
        if pairs and self._random.random() < 0.8:
            return self._random.choice(pairs)
        return self._owned(self.vault_shares, lenders)

    def _exit(self, name: str, most_of: Callable[[int, str], int]) -> Move:
        asset, owner = self._leaver()
        caller = owner if self._random.random() < 0.9 else self._user()
        listed = asset < len(self._setting.assets)
        amount = self._amount_of(asset, most_of(asset, owner) if listed else 0)
        receiver = self._user()
        return Move(
            name,
            caller,
            name,
            (asset, amount, receiver, owner),
            lambda v: getattr(v, name)(caller, asset, amount, receiver, owner),
        )

    def _withdraw(self) -> Move:
        def worth(asset: int, owner: str) -> int:
            market = self.vault.market_of(asset)
            return market.assets_down(self.vault.supply_shares_of(asset, owner))

        return self._exit("withdraw", worth)

    def _redeem(self) -> Move:
        return self._exit("redeem", self.vault_shares)

    # ----------------------------------------------------------------------------------------------------- accounts

    def _deposit(self) -> Move:
        return self._deposit_into(self._account(), self._any())

    def _deposit_into(self, account: AccountId, asset: int) -> Move:
        caller = self._owner(account)
        value = 10 ** self._random.uniform(2, 5)
        amount = self._units(asset, value) if asset < len(self._setting.assets) else 1
        amount = self._random.choice((amount,) * 18 + (0, 2**112))
        return Move(
            "deposit",
            caller,
            "depositCollateral",
            (account, asset, amount),
            lambda v: v.deposit_collateral(caller, account, asset, amount),
        )

    def _withdraw_collateral(self) -> Move:
        account = self._account(lambda account: self.vault.position_of(account).collateral)
        held = list(self.vault.position_of(account).collateral)
        asset = self._random.choice(held) if held and self._random.random() < 0.9 else self._any()
        amount = self._amount_of(asset, self.vault.position_of(account).collateral.get(asset, 0))
        amount = self._random.choice((amount, amount, amount // 10, MAX_UINT256))
        caller, to = self._owner(account), self._user()
        return Move(
            "withdraw collateral",
            caller,
            "withdrawCollateral",
            (account, asset, amount, to),
            lambda v: v.withdraw_collateral(caller, account, asset, amount, to),
        )

    def _borrow(self) -> Move:
        def has_room(account: AccountId) -> bool:
            health = self.vault.health_of(account)
            return health.borrowing_power > health.debt_value

        return self._borrow_for(self._account(has_room))

    def _borrow_for(self, account: AccountId) -> Move:
        asset = self._random.choice(self._lent) if self._random.random() < 0.9 else self._any()
        health = self.vault.health_of(account)
        room = max(0, health.borrowing_power - health.debt_value)
        amount = 1
        if asset < len(self._setting.assets):
            room = room * 10 ** self._setting.assets[asset].decimals // self.vault.price_of(asset)
            amount = int(room * self._random.choice((1, 0.999, 0.99, self._random.random(), 1.01)))
            amount = self._random.choice((amount,) * 7 + (self._amount_of(asset, room),))
        caller, to = self._owner(account), self._user()
        return Move(
            "borrow",
            caller,
            "borrow",
            (account, asset, amount, to),
            lambda v: v.borrow(caller, account, asset, amount, to),
        )

    def _repay(self) -> Move:
        account, caller = self._account(self._owes), self._user()
        owed = self.vault.position_of(account).debt
        asset = self._random.choice(list(owed)) if owed and self._random.random() < 0.9 else self._any()
        amount = self._random.choice((self._amount_of(asset, owed.get(asset, 0)), MAX_UINT256))
        return Move(
            "repay", caller, "repay", (account, asset, amount), lambda v: v.repay(caller, account, asset, amount)
        )

    def _set_deleverage(self) -> Move:
        account = self._account(self._owes)
        caller = self._owner(account)
        trigger = WAD + WAD * self._random.randint(0, 60) // 100
        if self._random.random() < 0.5:
            trigger = min(19 * WAD // 10, self.vault.health_of(account).health_factor_wad) + WAD // 50
        target = trigger + WAD * self._random.randint(0, 40) // 100
        terms = self._random.choice((Deleverage(trigger, target, WAD * self._random.randint(0, 20) // 100), None))
        values = (
            (terms.trigger_health_factor_wad, terms.target_health_factor_wad, terms.penalty_wad) if terms else (0, 0, 0)
        )
        return Move(
            "set deleverage",
            caller,
            "setDeleverage",
            (account, values),
            lambda v: v.set_deleverage(caller, account, terms),
        )

    def _set_operator(self) -> Move:
        caller, operator, on = self._random.choice(USERS[2:4]), self._user(), self._random.random() < 0.6
        return Move(
            "set operator", caller, "setOperator", (operator, on), lambda v: v.set_operator(caller, operator, on)
        )

    # --------------------------------------------------------------------------------------------------- close-outs

    def _close_out(self) -> Move:
        random = self._random
        if random.random() < 0.8 and not any(map(self._is_due, ACCOUNTS)):
            return self._aimed_prices()
        account, caller = self._account(self._is_due), random.choice(("liquidator", *self.users))
        from_shares, from_claims = self._rarely(), self._rarely()
        limits: dict[str, Any] = {}
        if random.random() < 0.1:
            limits["most_repaid"] = {n: random.choice((10**6, 0, 1)) for n in sorted(self._subset())}
            limits["least_seized"] = {n: random.choice((0, 1, 10**6)) for n in sorted(self._subset())}
        request = CloseOutRequest(
            account,
            collaterals=self._named(self.vault.position_of(account).collateral),
            debts=self._named(self.vault.position_of(account).debt),
            fill_wad=random.choice(
                (WAD,) * 8 + (WAD // 2, WAD // 2, *(random.randint(1, WAD) for _ in "1234"), 1, 0, WAD + 1)
            ),
            deadline=self.vault.now + random.choice((0, 1000, MAX_UINT256 - self.vault.now) * 8 + (-1,)),
            receiver=self._user(),
            as_claims=self._rarely(),
            from_shares=from_shares,
            from_claims=from_claims,
            **limits,
        )
        return Move("close out", caller, "closeOut", (request, b""), lambda v: v.close_out(caller, request))

    def _write_off(self) -> Move:
        def is_dust(account: AccountId) -> bool:
            return self._owes(account) and self.vault.health_of(account).collateral_value < 10 * WAD

        if self._random.random() < 0.5 and not any(map(is_dust, ACCOUNTS)):
            return self._aimed_prices(1e-4, 1e-9)
        account, caller = self._account(is_dust), self._user()
        return Move("write off", caller, "writeOff", (account,), lambda v: v.write_off(caller, account))

    def _note_insolvency(self) -> Move:
        def is_under_water(account: AccountId) -> bool:
            health = self.vault.health_of(account)
            return health.collateral_value < health.debt_value

        account, caller = self._account(is_under_water), self._user()
        return Move("note insolvency", caller, "noteInsolvency", (account,), lambda v: v.note_insolvency(account))

    def _margin_call(self) -> Move:
        account = self._account(self._is_unhealthy)
        return Move("margin call", self._user(), "marginCall", (account,), lambda v: v.margin_call(account))

    def _clear_margin_call(self) -> Move:
        account = self._account(lambda account: self.vault.times_of(account).called_at)
        return Move(
            "clear margin call", self._user(), "clearMarginCall", (account,), lambda v: v.clear_margin_call(account)
        )

    # ------------------------------------------------------------------------------------------------------- claims

    def _claim(self) -> Move:
        asset, caller = self._owned(lambda n, holder: self.vault.claim_of(holder, n), self.users)
        to = self._user()
        amount = self._amount_of(asset, self.vault.claim_of(caller, asset))
        return Move("claim", caller, "claim", (asset, amount, to), lambda v: v.claim(caller, asset, amount, to))

    def _credit_claim(self) -> Move:
        caller, asset = self._user(), self._any()
        holder = self._random.choice((*self.users, INSURANCE_FUND, INSURANCE_FUND))
        amount = self._amount_of(asset, self._units(min(asset, 6), 20_000))
        return Move(
            "credit claim",
            caller,
            "creditClaim",
            (asset, amount, holder),
            lambda v: v.credit_claim(caller, asset, amount, holder),
        )

    def _split(self) -> Move:
        """The splitter passes on what close-outs left to it: to the fund inside the Vault, the rest in tokens."""
        asset = self._random.randrange(len(self._base))
        weights = self._setting.parameters.weights

        def play(vault: Vault) -> None:
            amount = vault.claim_of(PENALTY_SPLITTER, asset)
            if amount:
                vault.claim(PENALTY_SPLITTER, asset, amount)
            to_insurance = amount - amount * weights.treasury // WAD - amount * weights.burn // WAD
            if to_insurance:
                vault.credit_claim(PENALTY_SPLITTER, asset, to_insurance, INSURANCE_FUND)

        return Move("split", self._user(), "split", (asset,), play, "splitter")

    # ------------------------------------------------------------------------------------------ prices, time, pauses

    def _prices(self) -> Move:
        """Some time passes, none quite often, and some prices move: a little, far down, to nearly nothing, or back."""
        random = self._random
        prices = [self.vault.price_of(n) for n in range(len(self._base))]
        mood = random.choice(("still", "little", "little", "crash", "crash", "back", "collapse"))
        for n in range(len(prices)):
            if mood == "little" and random.random() < 0.5:
                prices[n] = int(prices[n] * random.uniform(0.95, 1.05))
            elif mood == "crash" and n in self._held and random.random() < 0.7:
                prices[n] = int(self._base[n] * random.uniform(0.4, 1))
            elif mood == "back":
                prices[n] = self._base[n]
            elif mood == "collapse" and random.random() < 0.2:
                prices[n] = int(prices[n] * 10 ** random.uniform(-12, -1))
        prices = [max(1, price) for price in prices]
        seconds = random.choice((1, 1, 12, 1800, 3600, DAY, 3 * DAY, 30 * DAY))
        return self._turn(seconds, prices)

    def _aimed_prices(self, *aims: float) -> Move:
        """One account falls to a chosen health factor: on the curve, below it, under water, to next to nothing."""
        account = self._account(self._owes)
        return self._aimed_prices_of(
            account, self._random.choice(aims or (0.9999, 0.98, 0.95, 0.93, 0.9, 0.85, 0.8, 0.6, 0.1, 1e-6))
        )

    def _aimed_prices_of(self, account: AccountId, aim: float) -> Move:
        """This account falls, or rises, to a health factor."""
        health = self.vault.health_of(account).health_factor_wad
        prices = [self.vault.price_of(n) for n in range(len(self._base))]
        if self._owes(account) and health:
            for n in self.vault.position_of(account).collateral:
                prices[n] = max(1, prices[n] * int(aim * WAD) // health)
        return self._turn(self._random.choice((1, 12, 1800, DAY)), prices)

    def _turn(self, seconds: int, prices: list[int]) -> Move:
        if self._is_still:
            prices = list(self._base)

        def play(vault: Vault) -> None:
            vault.advance_to(vault.now + seconds)
            for n, price in enumerate(prices):
                vault.set_price(n, price)

        return Move("prices", "governor", "publish", (seconds, tuple(prices)), play)

    def _set_pauses(self) -> Move:
        borrowing, withdrawing = (self._rarely() if self._random.random() < 0.7 else self._subset() for _ in range(2))
        return Move(
            "set pauses",
            "guardian",
            "setPauses",
            (borrowing, withdrawing),
            lambda v: v.set_pauses(borrowing, withdrawing),
        )
