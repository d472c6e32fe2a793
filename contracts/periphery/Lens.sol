// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {
    AccountReport,
    AccountView,
    CloseOutView,
    ILens,
    LenderView,
    MarketBorrowing,
    MarketCollateral,
    MarketRates,
    MarketTotals,
    MarketView,
    PriceView
} from "interfaces/ILens.sol";
import {CurveParameters, LimitParameters, Modules} from "interfaces/IRiskConfigurator.sol";
import {Status} from "interfaces/IOracleRouter.sol";
import {IVault} from "interfaces/IVault.sol";
import {AccountId, AssetAmount, AssetSet, CloseOutRequest, CloseOutResult} from "interfaces/Types.sol";
import {Configuration} from "../libraries/Configuration.sol";
import {SharesMath} from "../libraries/SharesMath.sol";
import {BPS, WAD} from "../libraries/Units.sol";
import {AccountLines} from "./AccountLines.sol";

/// @title Lens
/// @notice See interfaces/ILens.sol.
/// @dev In a batch each entry is a call of its own, with a bounded part of the gas that is left: one that fails, or burns all it gets, fails
/// nobody else.
contract Lens is ILens {
    using Configuration for Configuration.Asset;
    using Configuration for Configuration.Protocol;

    /// @dev Above what the report of an account with all its slots used takes.
    uint256 private constant LARGEST_ENTRY_GAS = 6_000_000;

    IVault public immutable VAULT;

    constructor(IVault vault) {
        VAULT = vault;
    }

    // ----------------------------------------------------------------------------------------------------- accounts

    /// @inheritdoc ILens
    function accountOf(AccountId account) public view returns (AccountView memory result) {
        (result.collateralIds, result.collateralAmounts, result.debtIds, result.debtAmounts) = VAULT.positionOf(account);
        (
            result.collateralValue,
            result.borrowingPower,
            result.maintenanceValue,
            result.debtValue,
            result.healthFactorWad
        ) = VAULT.healthOf(account);
    }

    /// @inheritdoc ILens
    function accountsOf(AccountId[] calldata accounts) external view returns (AccountView[] memory results) {
        results = new AccountView[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            results[i] = _accountOrFailure(accounts[i], _entryGas(accounts.length - i));
        }
    }

    /// @dev What an account holds is told in any case: it needs no price.
    function _accountOrFailure(AccountId account, uint256 gasShare) private view returns (AccountView memory result) {
        try this.accountOf{gas: gasShare}(account) returns (AccountView memory known) {
            return known;
        } catch (bytes memory reason) {
            (result.collateralIds, result.collateralAmounts, result.debtIds, result.debtAmounts) =
                VAULT.positionOf(account);
            result.failure = _reason(reason);
        }
    }

    /// @inheritdoc ILens
    function reportOf(AccountId account) external view returns (AccountReport memory report) {
        report.sums = _accountOrFailure(account, _part(2));
        (report.collaterals, report.debts) = AccountLines.describe(
            VAULT.configuration(),
            report.sums,
            _prices(report.sums.collateralIds, false),
            _prices(report.sums.debtIds, true)
        );
        (uint256 power, uint256 debt) = (report.sums.borrowingPower, report.sums.debtValue);
        report.borrowableValue = power > debt ? power - debt : 0;
        (report.calledAt, report.actedAt) = VAULT.timesOf(account);
        report.deleverage = VAULT.deleverageOf(account);
        report.closeOut = _preview(_wholeOf(account), _part(2));
    }

    /// @inheritdoc ILens
    function reportsOf(AccountId[] calldata accounts) external view returns (AccountReport[] memory results) {
        results = new AccountReport[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            try this.reportOf{gas: _entryGas(accounts.length - i)}(accounts[i]) returns (AccountReport memory report) {
                results[i] = report;
            } catch (bytes memory reason) {
                results[i].failure = _reason(reason);
            }
        }
    }

    /// @dev Deciding prices; 0 where the router does not answer.
    function _prices(uint256[] memory assetIds, bool areDebts) private view returns (PriceView[] memory prices) {
        prices = new PriceView[](assetIds.length);
        for (uint256 i; i < prices.length; ++i) {
            try VAULT.priceOf{gas: _part(prices.length - i + 1)}(assetIds[i]) returns (
                Status status, uint256 collateralWad, uint256 debtWad, uint256
            ) {
                prices[i] = PriceView(status, areDebts ? debtWad : collateralWad);
            } catch {
                prices[i].status = Status.Missing;
            }
        }
    }

    // --------------------------------------------------------------------------------------------------- close-outs

    /// @inheritdoc ILens
    function previewsOf(CloseOutRequest[] calldata requests) external view returns (CloseOutView[] memory results) {
        results = new CloseOutView[](requests.length);
        for (uint256 i; i < requests.length; ++i) {
            results[i] = _preview(requests[i], _entryGas(requests.length - i));
        }
    }

    /// @inheritdoc ILens
    function closeOutsOf(AccountId[] calldata accounts) external view returns (CloseOutView[] memory results) {
        results = new CloseOutView[](accounts.length);
        for (uint256 i; i < accounts.length; ++i) {
            results[i] = _preview(_wholeOf(accounts[i]), _entryGas(accounts.length - i));
        }
    }

    function _preview(CloseOutRequest memory request, uint256 gasShare)
        private
        view
        returns (CloseOutView memory closeOut)
    {
        try VAULT.previewCloseOut{gas: gasShare}(request) returns (CloseOutResult memory result) {
            closeOut.isPossible = result.isExecuted;
            closeOut.result = result;
        } catch (bytes memory reason) {
            closeOut.refusal = _reason(reason);
        }
    }

    function _wholeOf(AccountId account) private view returns (CloseOutRequest memory) {
        (AssetSet none, AssetSet all) = (AssetSet.wrap(0), AssetSet.wrap(type(uint128).max));
        return CloseOutRequest({
            account: account,
            collaterals: all,
            debts: all,
            fillWad: WAD,
            deadline: block.timestamp,
            receiver: address(this),
            asClaims: none,
            fromShares: none,
            fromClaims: none,
            leastSeized: new AssetAmount[](0),
            mostRepaid: new AssetAmount[](0)
        });
    }

    /// @dev An equal part of the gas that is left, for each of `parts` and for the caller's own work.
    function _part(uint256 parts) private view returns (uint256) {
        return gasleft() / (parts + 1);
    }

    /// @dev Gas of one entry of a batch with `entries` to come: an equal part, or as much as the largest account needs.
    function _entryGas(uint256 entries) private view returns (uint256) {
        uint256 part = _part(entries);
        return part > LARGEST_ENTRY_GAS ? part : LARGEST_ENTRY_GAS;
    }

    function _reason(bytes memory reason) private pure returns (bytes memory) {
        return reason.length == 0 ? abi.encodeWithSelector(Unanswered.selector) : reason;
    }

    // ------------------------------------------------------------------------------------------------------ markets

    /// @inheritdoc ILens
    function marketOf(uint256 assetId) public view returns (MarketView memory result) {
        Configuration.Asset memory asset = Configuration.asset(VAULT.configuration(), assetId);
        (result.assetId, result.token, result.decimals) = (assetId, asset.token(), asset.decimals());
        result.supplyToken = VAULT.supplyTokenOf(assetId);
        try VAULT.priceOf{gas: _part(1)}(assetId) returns (
            Status status, uint256 collateralWad, uint256 debtWad, uint256 exchangeWad
        ) {
            (result.priceStatus, result.priceWad) = (status, exchangeWad);
            (result.collateralPriceWad, result.debtPriceWad) = (collateralWad, debtWad);
        } catch (bytes memory reason) {
            result.priceFailure = _reason(reason);
        }
        _addTotalsAndRates(result, asset);
        result.collateral = _collateralTerms(asset, result.totals.collateralHeld);
        result.borrowing = _borrowingTerms(asset, result.totals);
    }

    /// @inheritdoc ILens
    function markets() external view returns (MarketView[] memory results) {
        results = new MarketView[](Configuration.protocol(VAULT.configuration()).assetCount());
        for (uint256 assetId; assetId < results.length; ++assetId) {
            results[assetId] = marketOf(assetId);
        }
    }

    function _addTotalsAndRates(MarketView memory market, Configuration.Asset memory asset) private view {
        MarketTotals memory totals = market.totals;
        MarketRates memory rates = market.rates;
        (totals.idle, totals.debt, totals.supplyShares, rates.debtIndex, rates.borrowRatePerYear) =
            VAULT.marketOf(market.assetId);
        totals.supplyAssets = totals.idle + totals.debt;
        (totals.expectedLoss, totals.uncoveredLoss) = VAULT.expectedLossOf(market.assetId);
        totals.assetsPerShare = SharesMath.toAssetsDown(
            SharesMath.VIRTUAL_SHARES * 10 ** market.decimals, totals.supplyAssets, totals.supplyShares
        );
        totals.collateralHeld = _zeroFloorSub(SafeTransferLib.balanceOf(market.token, address(VAULT)), totals.idle);

        rates.utilisationWad = _utilisation(totals.idle, totals.debt);
        rates.reserveFactorBps = asset.reserveFactorBps();
        rates.flashFeeBps = asset.flashFeeBps();
        // nine decimals of a rate, times WAD, times bps: far below 2^256
        rates.supplyRatePerYear =
            rates.borrowRatePerYear * rates.utilisationWad * (BPS - rates.reserveFactorBps) / (WAD * BPS);
    }

    function _collateralTerms(Configuration.Asset memory asset, uint256 held)
        private
        view
        returns (MarketCollateral memory)
    {
        return MarketCollateral({
            isEnabled: asset.hasFlag(Configuration.FLAG_COLLATERAL),
            ltvBps: asset.ltvBps(),
            liquidationThresholdBps: asset.thresholdBps(block.timestamp),
            targetThresholdBps: asset.targetThresholdBps(),
            maxBonusBps: asset.maxBonusBps(),
            cap: asset.collateralCap(),
            room: _zeroFloorSub(asset.collateralCap(), held),
            bucketCapacityWad: asset.bucketCapacityWad(),
            bucketRefillWad: asset.bucketRefillWad(),
            mostTargetBps: asset.mostTargetBps()
        });
    }

    function _borrowingTerms(Configuration.Asset memory asset, MarketTotals memory totals)
        private
        pure
        returns (MarketBorrowing memory)
    {
        uint256 room = _zeroFloorSub(asset.borrowCap(), totals.debt);
        return MarketBorrowing({
            isEnabled: asset.hasFlag(Configuration.FLAG_BORROWABLE),
            supplyCap: asset.supplyCap(),
            supplyRoom: _zeroFloorSub(asset.supplyCap(), totals.supplyAssets),
            borrowCap: asset.borrowCap(),
            borrowRoom: room < totals.idle ? room : totals.idle
        });
    }

    /// @inheritdoc ILens
    function lenderOf(uint256 assetId, address holder) public view returns (LenderView memory result) {
        (uint256 idle, uint256 debt, uint256 totalShares,,) = VAULT.marketOf(assetId);
        result.shares = VAULT.supplySharesOf(assetId, holder);
        result.assets = SharesMath.toAssetsDown(result.shares, idle + debt, totalShares);
        (, uint256 uncovered) = VAULT.expectedLossOf(assetId);
        result.exitAssets = SharesMath.toAssetsDown(result.shares, _zeroFloorSub(idle + debt, uncovered), totalShares);
        result.withdrawable = result.exitAssets < idle ? result.exitAssets : idle;
        result.idle = idle;
        result.utilisationWad = _utilisation(idle, debt);
    }

    /// @inheritdoc ILens
    function supplyAssetsOf(uint256 assetId, address holder) external view returns (uint256) {
        return lenderOf(assetId, holder).assets;
    }

    function _utilisation(uint256 idle, uint256 debt) private pure returns (uint256) {
        return debt == 0 ? 0 : debt * WAD / (idle + debt);
    }

    function _zeroFloorSub(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a - b : 0;
    }

    // ----------------------------------------------------------------------------------------------------- protocol

    /// @inheritdoc ILens
    function protocol()
        external
        view
        returns (Modules memory modules, CurveParameters memory curve, LimitParameters memory limits)
    {
        Configuration.Protocol memory words = Configuration.protocol(VAULT.configuration());
        modules.engine = words.engine();
        modules.insuranceFund = words.insuranceFund();
        modules.penaltySplitter = words.penaltySplitter();
        modules.treasury = words.treasury();
        modules.oracleRouter = words.oracleRouter();
        modules.volatilityOracle = words.volatilityOracle();
        modules.sequencerFeed = words.sequencerFeed();
        modules.sequencerGrace = uint32(words.sequencerGrace());
        curve.targetHealthFactorWad = uint64(words.targetHealthFactorWad());
        curve.marginCallHealthFactorWad = uint64(words.marginCallHealthFactorWad());
        curve.healthForMaxBonusWad = uint64(words.healthForMaxBonusWad());
        curve.bonusFloorWad = uint64(words.bonusFloorWad());
        curve.minBonusFractionWad = uint64(words.minBonusFractionWad());
        curve.feeShareWad = uint64(words.feeShareWad());
        curve.steepnessWad = uint128(words.steepnessWad());
        limits.minDebtValueWad = uint128(words.minDebtValueWad());
        limits.minDebtPerAssetWad = uint128(words.minDebtPerAssetWad());
        limits.dustValueWad = uint128(words.dustValueWad());
        limits.bucketMinimumWad = uint128(words.bucketMinimumWad());
        limits.degradedRefillWad = uint64(words.degradedRefillWad());
        limits.hardFloorWad = uint64(words.hardFloorWad());
        limits.gracePeriod = uint32(words.gracePeriod());
        limits.callLifetime = uint32(words.callLifetime());
        limits.backstopDelay = uint32(words.backstopDelay());
    }
}
