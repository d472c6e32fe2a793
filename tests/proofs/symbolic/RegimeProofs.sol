// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {LiquidationEngine} from "contracts/LiquidationEngine.sol";
import {ILiquidationEngine} from "interfaces/ILiquidationEngine.sol";
import {Plan, Regime, Snapshot, Terms} from "interfaces/Types.sol";
import {InterestMath} from "contracts/libraries/InterestMath.sol";
import {PenaltyCurve} from "contracts/libraries/PenaltyCurve.sol";
import {WAD} from "contracts/libraries/Units.sol";

/// @title Clamps clamp, and the regime is the one of the sums
/// @notice Halmos runs each `check_` for all values of its arguments; each `broken_` must have a counter-example.
/// Products and quotients of unknown numbers are beyond it: those are theorems over the integers (tests/proofs/*.py).
contract RegimeProofs {
    ILiquidationEngine private _engine;

    function setUp() external {
        _engine = new LiquidationEngine();
    }

    function check_index_without_rate_or_time_stays(uint72 index, uint32 rate, uint40 elapsed) external pure {
        assert(InterestMath.grow(index, 0, elapsed) == index);
        assert(InterestMath.grow(index, rate, 0) == index);
    }

    function check_index_is_clamped(uint72 index, uint32 rate, uint40 elapsed) external pure {
        assert(InterestMath.grow(index, rate, elapsed) <= type(uint72).max);
    }

    function check_rate_is_clamped(uint64 utilisation, uint32 base, uint32 slope1, uint32 slope2, uint64 kink) external pure {
        if (utilisation > WAD || kink > WAD) return;
        assert(InterestMath.kinkedRate(utilisation, base, slope1, slope2, kink) <= InterestMath.MAX_RATE);
    }

    function check_penalty_at_a_healthy_account_is_the_least(uint256 health, uint64 least, uint64 eta, uint128 k) external pure {
        if (health < WAD || least > WAD || eta >= WAD) return;
        assert(PenaltyCurve.bonusFraction(health, least, eta, k) == least);
    }

    /// @dev The engine refuses a healthy account, whatever else it is told.
    function check_engine_refuses_the_healthy(uint128 collateral, uint128 weighted, uint128 debt, uint64 floor) external view {
        Snapshot memory account = _whole(collateral, weighted, debt);
        Terms memory terms = _terms(floor);
        if (debt != 0 && uint256(weighted) * 1e14 / debt < WAD) return;
        try _engine.plan(account, terms) {
            assert(false);
        } catch {}
    }

    /// @dev C < (1 + f) B is terminal, and what disappears beyond what is repaid is there only. Debt of 1 000 USD, f = 0.5 %.
    function check_regime_below_the_border_is_terminal(uint128 collateral) external view {
        uint256 debt = 1000e27;
        if (collateral == 0 || uint256(collateral) * WAD >= debt * (WAD + 0.005e18)) return;
        try _engine.plan(_whole(collateral, uint256(collateral) * 8000, debt), _terms(0.005e18)) returns (Plan memory plan) {
            assert(plan.regime == Regime.Terminal);
        } catch {}
    }

    // ------------------------------------------------------------------------------------------------- must be refuted

    function broken_index_is_clamped_to_71_bits(uint72 index, uint32 rate, uint8 elapsed) external pure {
        assert(InterestMath.grow(index, rate, elapsed) <= type(uint72).max / 2);
    }

    function broken_engine_refuses_everybody(uint8 floor) external view {
        try _engine.plan(_whole(500e27, 400e27 * 10_000, 1000e27), _terms(floor)) {
            assert(false);
        } catch {}
    }

    // ------------------------------------------------------------------------------------------------------- shorthand

    function _whole(uint256 collateral, uint256 weighted, uint256 debt) private pure returns (Snapshot memory account) {
        account.collateralValue = account.pricedCollateralValue = account.setCollateralValue = collateral;
        account.weightedCollateral = account.pricedWeightedCollateral = account.setWeightedCollateral = weighted;
        account.debtValue = account.setDebtValue = debt;
    }

    function _terms(uint256 floor) private pure returns (Terms memory terms) {
        terms.targetHealthFactorWad = 1.1e18;
        terms.bonusFloorWad = floor;
        terms.healthForMaxBonusWad = 0.9e18;
        terms.fillWad = WAD;
        terms.maxSeizedValue = type(uint256).max;
    }
}
