// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {ILiquidationEngine} from "interfaces/ILiquidationEngine.sol";
import {Plan, Regime, Snapshot, Terms} from "interfaces/Types.sol";
import {BPS, WAD, WAD_PER_BPS} from "../../libraries/Units.sol";

/// @title Engines that get one thing wrong each, as peers have: what each property test must catch. Tests only
/// @dev Each asks the real engine and changes what goes in or what comes out. Not declared as engines: those are pure.
abstract contract BrokenEngine {
    using FixedPointMathLib for uint256;

    ILiquidationEngine public immutable REAL;

    constructor(ILiquidationEngine real) {
        REAL = real;
    }

    function plan(Snapshot memory account, Terms memory terms) external view returns (Plan memory) {
        return _plan(account, terms);
    }

    function _plan(Snapshot memory account, Terms memory terms) internal view virtual returns (Plan memory);

    /// @dev Seized for a value repaid at a part of the largest bonus.
    function _seizedAt(Snapshot memory account, uint256 repaid, uint256 partWad) internal pure returns (uint256) {
        uint256 value = account.setCollateralValue;
        uint256 bonus = repaid.fullMulDiv(account.setBonusWeightedCollateral, value * BPS).fullMulDiv(partWad, WAD);
        return FixedPointMathLib.min(repaid + bonus, value);
    }

    /// @dev Repaid so much of the set, seized in the plan's own proportion.
    function _scale(Plan memory made, uint256 repaid) internal pure {
        if (made.repaidValue != 0) made.seizedValue = made.seizedValue.fullMulDiv(repaid, made.repaidValue);
        made.repaidValue = repaid;
        made.extinguishedValue = repaid;
    }
}

/// @notice Any set goes, at its own rate: a liquidator picks what pays best.
contract PicksAreFree is BrokenEngine {
    constructor(ILiquidationEngine real) BrokenEngine(real) {}

    function _plan(Snapshot memory account, Terms memory terms) internal view override returns (Plan memory) {
        account.pricedCollateralValue = account.setCollateralValue;
        account.pricedWeightedCollateral = account.setWeightedCollateral;
        account.pricedBonusWeightedCollateral = account.setBonusWeightedCollateral;
        return REAL.plan(account, terms);
    }
}

/// @notice The amount that would restore the target if there were no penalty.
contract ForgetsThePenalty is BrokenEngine {
    constructor(ILiquidationEngine real) BrokenEngine(real) {}

    function _plan(Snapshot memory account, Terms memory terms) internal view override returns (Plan memory made) {
        made = REAL.plan(account, terms);
        if (made.regime == Regime.Terminal || terms.fillWad != WAD) return made;
        uint256 missing =
            terms.targetHealthFactorWad * account.debtValue - account.weightedCollateral * WAD_PER_BPS;
        uint256 gained =
            terms.targetHealthFactorWad * account.setCollateralValue - account.setWeightedCollateral * WAD_PER_BPS;
        uint256 repaid = FixedPointMathLib.fullMulDivUp(account.setCollateralValue, missing, gained);
        if (repaid < made.repaidValue) _scale(made, repaid);
    }
}

/// @notice A millionth more than is needed.
contract TakesALittleMore is BrokenEngine {
    constructor(ILiquidationEngine real) BrokenEngine(real) {}

    function _plan(Snapshot memory account, Terms memory terms) internal view override returns (Plan memory made) {
        made = REAL.plan(account, terms);
        if (made.regime == Regime.Terminal) return made;
        uint256 more = made.repaidValue + made.repaidValue / 1e6;
        if (more + more / 4 < account.setCollateralValue && more < account.setDebtValue) _scale(made, more);
    }
}

/// @notice The whole penalty whatever the size of the fill: slices pay more than the whole.
contract PaysSlicesMore is BrokenEngine {
    constructor(ILiquidationEngine real) BrokenEngine(real) {}

    function _plan(Snapshot memory account, Terms memory terms) internal view override returns (Plan memory made) {
        made = REAL.plan(account, terms);
        if (made.regime != Regime.Restorative || terms.fillWad == WAD) return made;
        made.seizedValue = _seizedAt(account, made.repaidValue, WAD);
    }
}

/// @notice Under water the largest bonus is taken from the lenders of debts that are named alone.
contract PaysSomeLendersLess is BrokenEngine {
    constructor(ILiquidationEngine real) BrokenEngine(real) {}

    function _plan(Snapshot memory account, Terms memory terms) internal view override returns (Plan memory made) {
        made = REAL.plan(account, terms);
        if (made.regime != Regime.Terminal || account.setDebtValue == account.debtValue) return made;
        uint256 value = account.setCollateralValue * BPS;
        uint256 least = FixedPointMathLib.fullMulDivUp(made.seizedValue, value, value + account.setBonusWeightedCollateral);
        made.repaidValue = FixedPointMathLib.min(made.repaidValue, least);
    }
}

/// @notice Knows no smallest debt.
contract LeavesDust is BrokenEngine {
    constructor(ILiquidationEngine real) BrokenEngine(real) {}

    function _plan(Snapshot memory account, Terms memory terms) internal view override returns (Plan memory) {
        terms.minDebtValue = 0;
        return REAL.plan(account, terms);
    }
}

/// @notice Small debts are closed wholly: who repays a little for the borrower unlocks that.
contract ClosesSmallDebtsWholly is BrokenEngine {
    constructor(ILiquidationEngine real) BrokenEngine(real) {}

    function _plan(Snapshot memory account, Terms memory terms) internal view override returns (Plan memory made) {
        made = REAL.plan(account, terms);
        bool isSmall = account.debtValue < 10_000e27 && account.setDebtValue == account.debtValue;
        if (made.regime != Regime.Restorative || !isSmall || terms.fillWad != WAD) return made;
        if (made.seizedValue + made.seizedValue / 2 < account.setCollateralValue) _scale(made, account.debtValue);
    }
}

/// @notice The penalty is never less than the largest bonus, also where the account has less than that beyond its debt.
contract NeverCaps is BrokenEngine {
    constructor(ILiquidationEngine real) BrokenEngine(real) {}

    function _plan(Snapshot memory account, Terms memory terms) internal view override returns (Plan memory made) {
        made = REAL.plan(account, terms);
        if (made.regime == Regime.Capped) made.seizedValue = _seizedAt(account, made.repaidValue, WAD);
    }
}

/// @notice The penalty rises with the health factor instead of falling: who helps a borrower makes it dearer.
contract RewardsHealth is BrokenEngine {
    constructor(ILiquidationEngine real) BrokenEngine(real) {}

    function _plan(Snapshot memory account, Terms memory terms) internal view override returns (Plan memory made) {
        made = REAL.plan(account, terms);
        if (made.regime != Regime.Restorative) return made;
        uint256 health = account.weightedCollateral * WAD_PER_BPS / account.debtValue;
        uint256 part = health < 0.95e18 ? 0 : (health - 0.95e18) * 20;
        made.seizedValue = FixedPointMathLib.min(_seizedAt(account, made.repaidValue, part), made.seizedValue);
    }
}

/// @notice Stops short of maintenance, so that the next close-out is due at once.
contract StopsShort is BrokenEngine {
    constructor(ILiquidationEngine real) BrokenEngine(real) {}

    function _plan(Snapshot memory account, Terms memory terms) internal view override returns (Plan memory made) {
        terms.targetHealthFactorWad = 0.999e18;
        terms.minDebtValue = 0;
        uint256 health = account.weightedCollateral * WAD_PER_BPS / account.debtValue;
        if (health >= 0.999e18) revert ILiquidationEngine.NothingToClose();
        return REAL.plan(account, terms);
    }
}

/// @notice Writes off what is not repaid at once, from an account that could pay.
contract WritesOffEarly is BrokenEngine {
    constructor(ILiquidationEngine real) BrokenEngine(real) {}

    function _plan(Snapshot memory account, Terms memory terms) internal view override returns (Plan memory made) {
        made = REAL.plan(account, terms);
        made.extinguishedValue = account.setDebtValue;
    }
}
