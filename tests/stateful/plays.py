"""Histories in which everything happens that can be done from outside: more than `tests.differential.plays` has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from closeout.model import MAX_UINT256, TREASURY, AccountId, Vault
from closeout.units import WAD
from tests.differential.plays import ACCOUNTS, HOLDERS, USERS, Move, Play, Step
from tests.differential.settings import DAY, Setting
from tests.stateful.parts import ACTOR, FORBIDDEN, GUARDIAN, REENTRIES, SIGNER, Bundle, Opening, Script, Signed
from tests.stateful.whole_vault import DEAD, FLASH, FlashOrder, WholeVault, face_of, token_of
from tests.support.tokens import Mood


class WholePlay(Play):
    """A history whose moves are chosen from outside: `take` makes the next of a kind."""

    model: type[Vault] = WholeVault
    users = (*USERS, ACTOR)
    holders = (*HOLDERS, ACTOR)

    def __init__(self, setting: Setting, opening: Opening, seed: int, *, is_still: bool = False) -> None:
        super().__init__(setting, Random(seed), 0, is_still=is_still)
        self._opening = opening
        vault: WholeVault = self.vault
        vault.pools = dict(opening.pools)
        vault.token_addresses, vault.flash_fees, vault.weights = (
            opening.token_addresses,
            opening.flash_fees,
            opening.weights,
        )
        self._kinds = self.moves()

    @property
    def kinds(self) -> dict[str, int]:
        """Every kind of move with its weight."""
        return {name: weight for name, (weight, _) in self._kinds.items()}

    def take(self, kind: str, seed: int) -> Step:
        """Makes a move of a kind, lets the model play it, and says what came of it."""
        self._random = Random(seed)
        return self._step(self._kinds[kind][1]())

    def __iter__(self) -> Iterator[Step]:
        raise TypeError("a WholePlay is told which moves to make: take")

    def moves(self) -> dict[str, tuple[int, Callable[[], Move]]]:
        return super().moves() | {
            "split": (2, self._split),
            "aim at a trigger": (5, self._aim_at_a_trigger),
            "mint": (2, self._mint),
            "deposit by face": (2, self._face_deposit),
            "mint by face": (2, self._face_mint),
            "withdraw by face": (3, self._face_withdraw),
            "redeem by face": (3, self._face_redeem),
            "approve shares": (3, self._approve_shares),
            "transfer shares": (3, self._transfer_shares),
            "transfer shares from": (2, self._transfer_shares_from),
            "flash loan": (3, self._flash_loan),
            "repay from inside": (5, self._repay_with),
            "repay shares": (3, self._repay_shares),
            "borrow shares": (3, self._borrow_shares),
            "rebalance": (7, self._rebalance),
            "multicall": (4, self._multicall),
            "operator by signature": (1, self._operator_by_signature),
            "invalidate nonces": (1, self._invalidate_nonces),
            "permit": (1, self._permit),
            "donate": (1, self._donate),
            "feed the fund": (2, self._feed_fund),
            "absorb": (2, self._absorb),
            "mood": (4, self._mood),
            "close out and call back": (8, self._close_out_and_call_back),
            "flash close out": (20, self._flash_close_out),
            "trespass": (3, self._trespass),
        }

    # ------------------------------------------------------------------------------------------------------ choices

    @property
    def _moody(self) -> int:
        return self._opening.moody

    def _listed(self) -> int:
        return self._random.randrange(len(self._setting.assets))

    def _shares_of(self, asset: int, holder: str) -> int:
        """Some of a holder's supply shares, or of what he might have."""
        return self._amount_of(asset, self.vault.supply_shares_of(asset, holder))

    def _holding(self) -> tuple[int, str]:
        """An asset that is lent and a user, mostly one who supplied it."""
        asset, holder = self._owned(self.vault_shares, self.users)
        return (asset if asset in self._lent else self._random.choice(self._lent)), holder

    def _first_collateral(self) -> int:
        """Often of the token that can misbehave, or few close-outs would meet it (P23)."""
        return self._moody if self._random.random() < 0.5 else super()._first_collateral()

    # ------------------------------------------------------------------------------------------------------ lenders

    def _mint(self) -> Move:
        asset, caller, receiver = self._random.choice(self._lent), self._user(), self._user()
        shares = self.vault.market_of(asset).shares_down(self._units(asset, 50_000))
        shares = self._amount_of(asset, shares)
        return Move(
            "mint", caller, "mint", (asset, shares, receiver), lambda v: v.mint(caller, asset, shares, receiver)
        )

    def _face_deposit(self) -> Move:
        asset, caller, receiver = self._random.choice(self._lent), self._user(), self._user()
        amount = self._amount_of(asset, self._units(asset, 50_000))
        return Move(
            "deposit by face",
            caller,
            "deposit",
            (amount, receiver),
            lambda v: v.face_deposit(caller, asset, amount, receiver),
            face_of(asset),
        )

    def _face_mint(self) -> Move:
        asset, caller, receiver = self._random.choice(self._lent), self._user(), self._user()
        shares = self._amount_of(asset, self.vault.market_of(asset).shares_down(self._units(asset, 50_000)))
        return Move(
            "mint by face",
            caller,
            "mint",
            (shares, receiver),
            lambda v: v.face_mint(caller, asset, shares, receiver),
            face_of(asset),
        )

    def _spender(self, asset: int, owner: str) -> str:
        """Mostly the owner, or somebody he gave an allowance."""
        allowed = [
            spender
            for (n, giver, spender), left in self.vault.allowances.items()
            if (n, giver) == (asset, owner) and left
        ]
        return self._random.choice((owner, owner, self._user(), *allowed, *allowed))

    def _face_exit(self, name: str, of_shares: bool) -> Move:
        asset, owner = self._holding()
        caller, receiver = self._spender(asset, owner), self._user()
        amount = self._shares_of(asset, owner)
        if not of_shares:
            amount = self.vault.market_of(asset).assets_down(amount)
        function = "redeem" if of_shares else "withdraw"
        return Move(
            name,
            caller,
            function,
            (amount, receiver, owner),
            lambda v: getattr(v, f"face_{function}")(caller, asset, amount, receiver, owner),
            face_of(asset),
        )

    def _face_withdraw(self) -> Move:
        return self._face_exit("withdraw by face", of_shares=False)

    def _face_redeem(self) -> Move:
        return self._face_exit("redeem by face", of_shares=True)

    def _approve_shares(self) -> Move:
        asset, owner = self._holding()
        spender = self._user()
        shares = self._random.choice((self._shares_of(asset, owner), MAX_UINT256, 0))
        return Move(
            "approve shares",
            owner,
            "approve",
            (spender, shares),
            lambda v: v.face_approve(owner, asset, spender, shares),
            face_of(asset),
        )

    def _transfer_shares(self) -> Move:
        asset, owner = self._holding()
        owner = self._random.choice((owner, owner, owner, TREASURY))
        to, shares = self._random.choice((*self.users, TREASURY)), self._shares_of(asset, owner)
        return Move(
            "transfer shares",
            owner,
            "transfer",
            (to, shares),
            lambda v: v.face_transfer(owner, asset, to, shares),
            face_of(asset),
        )

    def _transfer_shares_from(self) -> Move:
        """Mostly by somebody who has an allowance, within it."""
        asset, owner = self._holding()
        caller, to, shares = self._user(), self._user(), self._shares_of(asset, owner)
        given = [key for key, left in self.vault.allowances.items() if left]
        if given and self._random.random() < 0.8:
            asset, owner, caller = self._random.choice(given)
            most = min(self.vault.allowances[asset, owner, caller], self.vault.supply_shares_of(asset, owner))
            shares = self._amount_of(asset, most)
        return Move(
            "transfer shares from",
            caller,
            "transferFrom",
            (owner, to, shares),
            lambda v: v.face_transfer_from(caller, asset, owner, to, shares),
            face_of(asset),
        )

    def _flash_loan(self) -> Move:
        asset, caller = self._random.choice(self._lent), self._user()
        amount = self._amount_of(asset, self.vault.market_of(asset).idle)
        return Move(
            "flash loan",
            caller,
            "flashLoan",
            (ACTOR, token_of(asset), amount, b""),
            lambda v: v.flash_loan(asset, amount, ACTOR),
            before=(self._script(()),),
        )

    # ---------------------------------------------------------------------------------------------------- borrowers

    def _debt_to_repay(self) -> tuple[AccountId, int, int]:
        """An account, one of its debts, and a part of it."""
        account = self._account(self._owes)
        owed = self.vault.position_of(account).debt
        asset = self._random.choice(list(owed) or self._lent)
        return account, asset, self._random.choice((self._amount_of(asset, owed.get(asset, 0)), MAX_UINT256))

    def _repay_with(self) -> Move:
        account, asset, amount = self._debt_to_repay()
        payment = self._random.choice((0, 1, 1, 1, 2, 2, 2))
        have = {1: self.vault.supply_shares_of, 2: lambda n, holder: self.vault.claim_of(holder, n)}.get(payment)
        rich = [user for user in self.users if have and have(asset, user)]
        caller = self._random.choice(rich) if rich and self._random.random() < 0.9 else self._user()
        return Move(
            "repay from inside",
            caller,
            "repayWith",
            (account, asset, amount, payment),
            lambda v: v.repay_with(caller, account, asset, amount, payment),
        )

    def _repay_shares(self) -> Move:
        account, asset, amount = self._debt_to_repay()
        caller, shares = self._user(), min(MAX_UINT256, amount * self._random.choice((1, 100, 60)))
        return Move(
            "repay shares",
            caller,
            "repayShares",
            (account, asset, shares),
            lambda v: v.repay_shares(caller, account, asset, shares),
        )

    def _borrow_shares(self) -> Move:
        borrowing = self._borrow()
        account, asset, amount, to = borrowing.arguments
        if asset >= len(self._setting.assets):
            return borrowing
        caller, shares = borrowing.caller, amount * self._random.choice((100, 90, 1))
        return Move(
            "borrow shares",
            caller,
            "borrowShares",
            (account, asset, shares, to),
            lambda v: v.borrow_shares(caller, account, asset, shares, to),
        )

    def _rebalance(self) -> Move:
        """A swap of collateral or debt, or any moves at all; never of more assets than there are."""
        random = self._random
        account = self._account(self._owes)
        caller = ACTOR if self.vault.is_operator(account.owner, ACTOR) else self._owner(account)
        position, receiver = self.vault.position_of(account), self._user()
        held, owed = list(position.collateral), list(position.debt)
        withdrawals, borrows, deposits, repayments = [], [], [], []
        for n in random.sample(held, min(len(held), random.choice((0, 1, 1, 2)))):
            withdrawals.append((n, int(position.collateral[n] * random.choice((1, 0.5, 0.1, 0.01)))))
        for n in random.sample(self._lent, random.choice((0, 0, 1))):
            borrows.append((n, self._units(n, 10 ** random.uniform(2, 4))))
        for n in random.sample(self._held, random.choice((0, 1, 1))):
            deposits.append((n, self._units(n, 10 ** random.uniform(2, 5))))
        for n in random.sample(owed, min(len(owed), random.choice((0, 1, 1)))):
            repayments.append((n, random.choice((position.debt[n] // 2, MAX_UINT256))))
        moves = (tuple(withdrawals), tuple(borrows), tuple(deposits), tuple(repayments))
        calls_back = caller == ACTOR
        return Move(
            "rebalance",
            caller,
            "rebalance",
            (account, moves, receiver, b"call" if calls_back else b""),
            lambda v: v.rebalance(caller, account, moves, receiver),
            before=(self._script(self._tries(), account),) if calls_back else (),
        )

    def _multicall(self) -> Move:
        """Up to three moves of one caller."""
        plain = (self._deposit, self._borrow, self._repay, self._supply, self._withdraw_collateral, self._claim)
        first = self._random.choice(plain)()
        parts = [first]
        for _ in range(8):
            another = self._random.choice(plain)()
            if another.caller == first.caller and len(parts) < 3:
                parts.append(another)
        plays = [part.play for part in parts]
        return Move(
            "multicall", first.caller, "multicall", (Bundle(tuple(parts)),), lambda v: v.together(plays), "multicall"
        )

    # --------------------------------------------------------------------------------------------------- signatures

    def _operator_by_signature(self) -> Move:
        operator, on, caller = self._user(), self._random.random() < 0.6, self._user()
        deadline = self.vault.now + self._random.choice((DAY, DAY, 0, -1))
        is_genuine = self._random.random() < 0.7
        nonce = self.vault.nonces.get(SIGNER, 0) + (not is_genuine)
        return Move(
            "operator by signature",
            caller,
            "setOperatorBySig",
            (SIGNER, operator, on, deadline, Signed(SIGNER, operator, on, nonce, deadline)),
            lambda v: v.set_operator_by_signature(SIGNER, operator, on, deadline, is_genuine),
        )

    def _invalidate_nonces(self) -> Move:
        caller = self._random.choice((SIGNER, self._user()))
        following = self.vault.nonces.get(caller, 0) + self._random.choice((0, 1, 1, 5))
        return Move(
            "invalidate nonces",
            caller,
            "invalidateNonces",
            (following,),
            lambda v: v.invalidate_nonces(caller, following),
        )

    def _permit(self) -> Move:
        """A permit that did its work already: allowances are endless here."""
        values = (token_of(self._listed()), 10**18, self.vault.now, 27, bytes(32), bytes(32))
        return Move("permit", self._user(), "permit", values, lambda _: None)

    # --------------------------------------------------------------------------------------- tokens and their gifts

    def _gift(self, name: str, to: str, play: Callable[[WholeVault, str, int, int], None]) -> Move:
        asset = self._random.choice([n for n in range(len(self._base)) if n != self._moody])
        caller, amount = self._user(), self._units(asset, 10 ** self._random.uniform(0, 4))
        return Move(
            name, caller, "transfer", (to, amount), lambda v: play(v, caller, asset, amount) or 1, token_of(asset)
        )

    def _donate(self) -> Move:
        return self._gift("donate", "vault", WholeVault.donate)

    def _feed_fund(self) -> Move:
        return self._gift("feed the fund", "insurance fund", WholeVault.feed_fund)

    def _absorb(self) -> Move:
        fed = [n for n, amount in self.vault.fund_tokens.items() if amount]
        asset = self._random.choice(fed or [self._listed()])
        return Move("absorb", self._user(), "absorb", (asset,), lambda v: v.absorb(asset), "insurance fund")

    def _mood(self) -> Move:
        """The token that can misbehave does so, or stops; mostly in one direction."""
        asset, moods = self._moody, [Mood.ORDINARY] * 3
        sending = self._random.choice((*moods, *sorted(DEAD), Mood.CALLS))
        pulled = self._random.choice((*moods, *sorted(DEAD), Mood.LIES, Mood.RETURNS_BOMB, Mood.TAKES_FEE, Mood.CALLS))
        if self._random.random() < 0.6:
            sending, pulled = self._random.choice(((Mood.ORDINARY, Mood.ORDINARY), (sending, Mood.ORDINARY)))

        def play(vault: WholeVault) -> None:
            vault.moods[asset] = (sending, pulled)

        return Move("mood", "governor", "setMood", (sending, pulled), play, token_of(asset))

    # --------------------------------------------------------------------------------------------------- close-outs

    def _script(self, tries: tuple[str, ...], account: AccountId = ACCOUNTS[0]) -> Move:
        script = Script(account, self._random.choice(self._lent), tries)
        return Move("script", "stranger", "setScript", (script, False), lambda _: None, ACTOR)

    def _tries(self) -> tuple[str, ...]:
        return tuple(self._random.sample(REENTRIES, self._random.randint(1, 4)))

    def _close_out_and_call_back(self) -> Move:
        """The actor closes out and, in its callback, tries what it can."""
        move = self._close_out()
        if move.name != "close out":
            return move
        [request, _] = move.arguments
        return Move(
            "close out and call back",
            ACTOR,
            "closeOut",
            (request, b"call"),
            lambda v: v.close_out(ACTOR, request),
            before=(self._script(self._tries(), request.account),),
        )

    def _aimed_prices(self, *aims: float) -> Move:
        """As a rule not far below 1."""
        return super()._aimed_prices(*(aims or (0.9999, 0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.9, 0.8, 0.3)))

    def _aim_at_a_trigger(self) -> Move:
        """An account whose owner opted in falls below what he said, and stays above 1."""
        account = self._account(lambda account: account in self.deleverages and self._owes(account))
        terms = self.deleverages.get(account)
        if terms is None or not self._owes(account):
            return self._set_deleverage()
        trigger = terms.trigger_health_factor_wad / WAD
        return self._aimed_prices_of(account, self._random.uniform(1.0001, trigger))

    def _flash_close_out(self) -> Move:
        random = self._random
        is_fair = random.random() < 0.7
        account = self._account(self._is_due if is_fair else self._owes)
        position = self.vault.position_of(account)
        pairs = [(c, d) for c in position.collateral for d in position.debt if frozenset({c, d}) in self.vault.pools]
        if not pairs or (is_fair and not self._is_due(account) and random.random() < 0.7):
            return self._aimed_prices() if random.random() < 0.7 else self._close_out()
        collateral, debt = random.choice(pairs)
        fill = random.choice((WAD, WAD, WAD // 2, random.randint(1, WAD)))
        order = FlashOrder(account, collateral, debt, fill, random.random() < 0.5)
        caller = random.choice(("liquidator", "liquidator", self._user()))

        def play(vault: WholeVault) -> None:
            vault.flash_close_out(caller, order)

        return Move("flash close out", caller, "closeOut", (order,), play, FLASH)

    # ------------------------------------------------------------------------------------------------------- control

    def _split(self) -> Move:
        asset = self._listed()
        return Move("split", self._user(), "split", (asset,), lambda v: v.split(asset), "splitter")

    def _trespass(self) -> Move:
        """Somebody without the role tries what is a role's."""
        what = self._random.choice(list(FORBIDDEN))
        caller = self._random.choice((*self.users, *(() if what in ("set pauses", "freeze", "pause") else (GUARDIAN,))))

        def play(vault: WholeVault) -> None:
            raise FORBIDDEN[what](caller)

        return Move("trespass", caller, what, (), play, "forbidden")
