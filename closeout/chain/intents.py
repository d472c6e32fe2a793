"""The keeper's intents as calls of the deployed contracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eth_utils.address import to_checksum_address

from closeout.chain.abi import ContractAbi
from closeout.errors import BadInput
from closeout.keeper.ports import Action, Funding, Intent
from closeout.keeper.sending import Job
from closeout.toolchain.artifacts import Artifact

__all__ = ["IntentEncoder", "approval"]

NEVER = 2**256 - 1
APPROVE = "approve"


class IntentEncoder:
    """`flash_liquidator` None: only inventory. See `closeout.keeper.sending.Encoder`."""

    def __init__(self, artifacts: Mapping[str, Artifact], vault: str, flash_liquidator: str | None) -> None:
        self._vault, self._flash_liquidator = vault, flash_liquidator
        self._vault_functions = ContractAbi(artifacts["IVault"]).functions
        self._flash_functions = ContractAbi(artifacts["FlashLiquidator"]).functions

    def job(self, intent: Intent, owner: str) -> Job:
        """Raises BadInput where a flash close-out is wanted and no FlashLiquidator is known."""
        match intent.action:
            case Action.MARGIN_CALL:
                return self._of_vault(intent, self._vault_functions["marginCall"].encode(intent.account))
            case Action.WRITE_OFF:
                return self._of_vault(intent, self._vault_functions["writeOff"].encode(intent.account))
            case Action.CLOSE_OUT if intent.funding is Funding.INVENTORY:
                return self._of_vault(intent, self._inventory(intent, owner))
        if self._flash_liquidator is None:
            raise BadInput("flash_liquidator", None, "its address, for a flash close-out")
        return self._made(intent, self._flash_liquidator, self._flash(intent))

    def _of_vault(self, intent: Intent, data: str) -> Job:
        return self._made(intent, self._vault, data)

    def _made(self, intent: Intent, to: str, data: str) -> Job:
        is_earning = intent.action is Action.CLOSE_OUT
        gross = intent.expected_profit_wad + intent.expected_gas_cost_wad if is_earning else None
        return Job(intent.key, to, data, intent.gas_limit, gross, intent.expected_profit_wad)

    def _flash(self, intent: Intent) -> str:
        order = (
            intent.account,
            _set(intent.collaterals),
            _set(intent.debts),
            intent.fill_wad,
            intent.deadline or NEVER,
            [(int(sale.kind), sale.path, sale.part_wad) for sale in intent.sales],
            [(to_checksum_address(token), units) for token, units in intent.least_profits.items()],
        )
        return self._flash_functions["closeOut"].encode(order)

    def _inventory(self, intent: Intent, owner: str) -> str:
        request: tuple[Any, ...] = (
            intent.account,
            _set(intent.collaterals),
            _set(intent.debts),
            intent.fill_wad,
            intent.deadline or NEVER,
            to_checksum_address(owner),
            0,
            0,
            0,
            list(intent.least_seized.items()),
            list(intent.most_repaid.items()),
        )
        return self._vault_functions["closeOut"].encode(request, b"")


def approval(artifacts: Mapping[str, Artifact], asset_id: int, token: str, vault: str) -> Job:
    """Lets the Vault take a token of the keeper's, for ever: what a repayment from inventory needs."""
    data = ContractAbi(artifacts["TestToken"]).functions[APPROVE].encode(to_checksum_address(vault), NEVER)
    return Job((APPROVE, asset_id), token, data)


def _set(assets: Iterable[int]) -> int:
    """An AssetSet."""
    return sum(1 << asset for asset in assets)
