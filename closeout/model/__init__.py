"""The exact reference model: docs/liquidation.md in Python integers, with the EVM's rounding. No chain, no floats.

`Vault` is the twin of the contracts, `RouterRecord` of what the OracleRouter keeps of an asset; `plan_close_out`,
`seize` and `extinguish` are the pure close-out underneath.
"""

from closeout.model._accounts import Health, Position, Times
from closeout.model._close_out import (
    Incentive,
    Plan,
    Regime,
    Terms,
    basket_rate,
    curve_position,
    keep_covered,
    plan_close_out,
)
from closeout.model._expwad import exp_wad
from closeout.model._interest import MAX_RATE, Market, RateParameters, accrued, grown_index
from closeout.model._ledger import AccountId, Deleverage
from closeout.model._parameters import (
    MAX_AMOUNT,
    MAX_COLLATERALS,
    MAX_DEBTS,
    MAX_DECIMALS,
    MAX_PRICE_WAD,
    AssetParameters,
    Bucket,
    ParameterOutOfBounds,
    ProtocolParameters,
)
from closeout.model._placing import place_account, place_market
from closeout.model._positions import (
    INDEX_ONE,
    MAX_INDEX,
    CollateralPosition,
    DebtPosition,
    Decided,
    Snapshot,
    debt_part_down,
    debt_part_up,
    debt_shares_down,
    debt_shares_up,
    debt_units_down,
    debt_units_up,
    health_factor,
    selected_collaterals,
    selected_debts,
    take_decided,
    take_snapshot,
)
from closeout.model._quotes import Quote, Status
from closeout.model._rebalancing import Payment, Rebalancing
from closeout.model._requests import CloseOutRequest, CloseOutResult, WriteOffResult
from closeout.model._reverts import ModelRevert
from closeout.model._rounding import MAX_UINT256, div_up, mul_div_down, mul_div_up
from closeout.model._router import Answer, RouterRecord
from closeout.model._settlement import (
    Extinction,
    RepaidLeg,
    SeizedLeg,
    extinguish,
    extinguish_all,
    liquidator_rate,
    seize,
)
from closeout.model._vault import Vault
from closeout.model._vault_base import INSURANCE_FUND, PENALTY_SPLITTER, TREASURY

__all__ = [
    "INDEX_ONE",
    "INSURANCE_FUND",
    "MAX_AMOUNT",
    "MAX_COLLATERALS",
    "MAX_DEBTS",
    "MAX_DECIMALS",
    "MAX_INDEX",
    "MAX_PRICE_WAD",
    "MAX_RATE",
    "MAX_UINT256",
    "PENALTY_SPLITTER",
    "TREASURY",
    "AccountId",
    "Answer",
    "AssetParameters",
    "Bucket",
    "CloseOutRequest",
    "CloseOutResult",
    "CollateralPosition",
    "DebtPosition",
    "Decided",
    "Deleverage",
    "Extinction",
    "Health",
    "Incentive",
    "Market",
    "ModelRevert",
    "ParameterOutOfBounds",
    "Payment",
    "Plan",
    "Position",
    "ProtocolParameters",
    "Quote",
    "RateParameters",
    "Rebalancing",
    "Regime",
    "RepaidLeg",
    "RouterRecord",
    "SeizedLeg",
    "Snapshot",
    "Status",
    "Terms",
    "Times",
    "Vault",
    "WriteOffResult",
    "accrued",
    "basket_rate",
    "curve_position",
    "debt_part_down",
    "debt_part_up",
    "debt_shares_down",
    "debt_shares_up",
    "debt_units_down",
    "debt_units_up",
    "div_up",
    "exp_wad",
    "extinguish",
    "extinguish_all",
    "grown_index",
    "health_factor",
    "keep_covered",
    "liquidator_rate",
    "mul_div_down",
    "mul_div_up",
    "place_account",
    "place_market",
    "plan_close_out",
    "seize",
    "selected_collaterals",
    "selected_debts",
    "take_decided",
    "take_snapshot",
]
