// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {AccountView, CollateralView, DebtView, PriceView} from "interfaces/ILens.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {BPS, RAY_PER_WAD} from "../libraries/Units.sol";
import {ValueMath} from "../libraries/ValueMath.sol";

/// @title The lines of an account's report, and the price at which each would make it liquidatable
/// @notice Weighted values in RAY times bps, as in the Vault.
library AccountLines {
    using Configuration for Configuration.Asset;
    using FixedPointMathLib for uint256;

    uint256 private constant NEVER_HEALTHY = type(uint256).max;

    /// @param table the configuration
    /// @param sums what the account holds and its sums
    /// @param collateralPrices in the order of the account's collaterals
    /// @param debtPrices likewise
    function describe(
        address table,
        AccountView memory sums,
        PriceView[] memory collateralPrices,
        PriceView[] memory debtPrices
    ) internal view returns (CollateralView[] memory collaterals, DebtView[] memory debts) {
        collaterals = _collaterals(table, sums, collateralPrices);
        debts = _debts(table, sums, debtPrices);
        // an account whose sums are known has all its prices; otherwise its sums are 0
        bool isKnown = sums.failure.length == 0;
        uint256 weighted;
        for (uint256 i; i < collaterals.length; ++i) {
            weighted += _weighted(table, collaterals[i]);
        }
        for (uint256 i; i < collaterals.length; ++i) {
            collaterals[i].liquidationPriceWad =
                isKnown ? _lowestHealthy(table, collaterals[i], weighted, sums.debtValue) : NEVER_HEALTHY;
        }
        uint256 owed;
        for (uint256 i; i < debts.length; ++i) {
            owed += debts[i].value;
        }
        for (uint256 i; i < debts.length; ++i) {
            uint256 room = sums.maintenanceValue.zeroFloorSub(owed - debts[i].value);
            uint256 decimals = Configuration.asset(table, debts[i].assetId).decimals();
            debts[i].liquidationPriceWad = room.fullMulDiv(10 ** decimals, debts[i].amount);
        }
    }

    function _collaterals(address table, AccountView memory sums, PriceView[] memory prices)
        private
        view
        returns (CollateralView[] memory lines)
    {
        lines = new CollateralView[](prices.length);
        for (uint256 i; i < lines.length; ++i) {
            CollateralView memory line = lines[i];
            Configuration.Asset memory asset = Configuration.asset(table, sums.collateralIds[i]);
            (line.assetId, line.token) = (sums.collateralIds[i], asset.token());
            (line.amount, line.price) = (sums.collateralAmounts[i], prices[i]);
            line.value = ValueMath.collateralValue(line.amount, line.price.decidingWad, 10 ** asset.decimals()) / RAY_PER_WAD;
            line.liquidationThresholdBps = asset.thresholdBps(block.timestamp);
        }
    }

    function _debts(address table, AccountView memory sums, PriceView[] memory prices)
        private
        view
        returns (DebtView[] memory lines)
    {
        lines = new DebtView[](prices.length);
        for (uint256 i; i < lines.length; ++i) {
            DebtView memory line = lines[i];
            Configuration.Asset memory asset = Configuration.asset(table, sums.debtIds[i]);
            (line.assetId, line.token) = (sums.debtIds[i], asset.token());
            (line.amount, line.price) = (sums.debtAmounts[i], prices[i]);
            line.value = line.amount.fullMulDivUp(line.price.decidingWad, 10 ** asset.decimals());
        }
    }

    function _weighted(address table, CollateralView memory line) private view returns (uint256) {
        uint256 decimals = Configuration.asset(table, line.assetId).decimals();
        return ValueMath.collateralValue(line.amount, line.price.decidingWad, 10 ** decimals) * line.liquidationThresholdBps;
    }

    /// @dev The least price at which `t * value + the others' weighted values >= debt`.
    function _lowestHealthy(address table, CollateralView memory line, uint256 weighted, uint256 debtValue)
        private
        view
        returns (uint256)
    {
        uint256 others = weighted - _weighted(table, line);
        uint256 needed = debtValue * RAY_PER_WAD * BPS;
        if (needed <= others) return 0;
        if (line.liquidationThresholdBps == 0) return NEVER_HEALTHY;
        uint256 value = (needed - others).divUp(line.liquidationThresholdBps);
        uint256 decimals = Configuration.asset(table, line.assetId).decimals();
        return value.fullMulDivUp(10 ** decimals, line.amount * RAY_PER_WAD);
    }
}
