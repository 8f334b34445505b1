"""The words of the site in its two languages.

What belongs here: how codes of the tables are called, and how figures are written. The sentences of a page stand in its
template.
"""

from __future__ import annotations

import math
from typing import Any

_TERMS = {
    # Where a score comes from.
    "observed": ("实测", "observed"),
    "derived": ("由记录推算", "derived from records"),
    "reconstructed": ("重建", "reconstructed"),
    "imputed": ("估算", "estimated"),
    "mixed": ("混合", "mixed"),
    # Where a weight comes from.
    "weight_printed": ("来源公布", "printed"),
    "weight_derived": ("推导", "derived"),
    "weight_assumed": ("假设", "assumed"),
    "assumed": ("假设", "assumed"),
    # How complete a city is.
    "complete": ("完整", "complete"),
    "partial": ("部分", "partial"),
    "missing": ("缺失", "missing"),
    # Why a score is missing.
    "not_observed": ("未观测", "not observed"),
    "no_child": ("下级指标均无得分", "no child has a score"),
    "below_min_coverage": ("低于最低覆盖率", "below the least coverage"),
    "no_spread": ("各城市无差异", "no spread"),
    "no_denominator": ("缺少分母", "no denominator"),
    "not_positive": ("含非正值", "not above zero"),
    "too_large": ("数值过大", "too large"),
    "child_missing": ("下级指标缺失", "a child is missing"),
    # Levels of the tree.
    "level_0": ("总分", "total"),
    "level_1": ("一级指标", "primary"),
    "level_2": ("二级指标", "secondary"),
    "level_3": ("三级指标", "tertiary"),
    # Normalisations.
    "score": ("直接评分（0–100）", "given score (0 to 100)"),
    "min_max": ("极差标准化", "min-max"),
    "goalposts": ("门槛值标准化", "goalposts"),
    "log_goalposts": ("对数门槛值标准化", "goalposts on logarithms"),
    "percentile_rank": ("百分位排名", "percentile rank"),
    "fraction_of_max": ("占最大值比例", "fraction of the maximum"),
    "distance_to_target": ("与目标距离", "distance to a target"),
    "distance_to_reference": ("与参照值距离", "distance to a reference"),
    "z_score": ("Z 分数", "z-score"),
    "rank": ("排名", "rank"),
    "borda": ("Borda 计分", "Borda count"),
    # Means and missing children.
    "arithmetic": ("加权算术平均", "weighted arithmetic mean"),
    "geometric": ("加权几何平均", "weighted geometric mean"),
    "harmonic": ("加权调和平均", "weighted harmonic mean"),
    "renormalise": ("剔除缺失项并重新分配权重", "missing children drop out, the other weights are rescaled"),
    "zero": ("缺失项计 0 分", "a missing child scores 0"),
    "fail": ("任一缺失则无得分", "no score where a child is missing"),
    # Reconciliation.
    "by_construction": ("由构造一致", "by construction"),
    "reproduced": ("独立复现", "reproduced"),
    "not_reproduced": ("未能复现", "not reproduced"),
    "not_computable": ("无法计算", "not computable"),
    # Checks.
    "passed": ("通过", "passed"),
    "warned": ("警告", "warned"),
    "failed": ("失败", "failed"),
    "skipped": ("不适用", "skipped"),
    "critical": ("关键", "critical"),
    "warning": ("提示", "warning"),
    "dbt_test": ("dbt 数据测试", "dbt data test"),
    "dbt_unit_test": ("dbt 单元测试", "dbt unit test"),
    "gx_raw": ("输入质量关", "raw gate"),
    "gx_landed": ("落地批次质量关", "gate on batches"),
    "gx_marts": ("结果质量关", "marts gate"),
    # Scenarios of ranks.
    "scenario_weights": ("权重变动", "other weights"),
    "scenario_method": ("方法与权重变动", "other methods and weights"),
    "aggregation": ("聚合方法", "aggregation"),
    "normalisation": ("标准化方法", "normalisation"),
    "missing_policy": ("缺失处理", "missing policy"),
    # Records.
    "evidence": ("证据", "evidence"),
    "hospital": ("医院评级", "hospital grade"),
    "hospital_grade": ("医院评级", "hospital grade"),
    # Why a score moved between two releases.
    "corrected": ("更正", "corrected"),
    "correction undone": ("更正撤销", "correction undone"),
    "new observation": ("新观测", "new observation"),
    "withdrawn": ("撤回", "withdrawn"),
    "records changed": ("记录变动", "records changed"),
    "value changed": ("数值变动", "value changed"),
    "method": ("方法变动", "method"),
    "denominator changed": ("分母变动", "denominator changed"),
    "other cities": ("其他城市变动", "other cities"),
    "indicator came": ("新增指标", "indicator came"),
    "indicator went": ("移除指标", "indicator went"),
    "weight changed": ("权重变动", "weight changed"),
    "tree changed": ("指标树变动", "tree changed"),
    "coverage": ("覆盖率变动", "coverage"),
    "shared out anew": ("贡献重新分摊", "shared out anew"),
    "others moved": ("其他城市移动", "others moved"),
    "tiers moved": ("等级界限变动", "tiers moved"),
    "observations changed": ("观测变动", "observations changed"),
    "city came": ("新增城市", "city came"),
    "city went": ("移除城市", "city went"),
    "has a total now": ("新获总分", "has a total now"),
    "has no total any more": ("不再有总分", "has no total any more"),
    "not known": ("未知", "not known"),
    # How a choice of the framework is called.
    "parent_code": ("上级指标", "parent"),
    "weight": ("权重", "weight"),
    "weight_status": ("权重来源", "weight status"),
    "lower_bound_score": ("等级下限", "lower bound"),
    "upper_bound_score": ("等级上限", "upper bound"),
    "reconstructed_share": ("重建观测占比", "share of reconstructed observations"),
    "provenance": ("数据来源", "provenance"),
    "direction": ("方向", "direction"),
    "norm_low": ("下限", "norm low"),
    "norm_high": ("上限", "norm high"),
    "scale_low": ("量表下限", "scale low"),
    "scale_high": ("量表上限", "scale high"),
    "min_coverage": ("最低覆盖率", "least coverage"),
    "denominator": ("分母", "denominator"),
    "imputation": ("缺失值估算", "imputation"),
    "treatment": ("离群值处理", "treatment"),
    "treatment_limit": ("处理上限", "treatment limit"),
    "population_65_share": ("65 岁及以上人口占比", "Population aged 65 and over"),
    "visits": ("医疗卫生机构总诊疗人次", "Visits to healthcare institutions"),
    "visits_per_person": ("居民平均就诊次数", "Visits per person"),
    "hospital_it_spend_share": ("医院信息化投入分布", "Hospitals by spending on information technology"),
    "chronic_disease_burden_share": ("慢性病占疾病负担", "Chronic diseases in the burden of disease"),
    "chronic_disease_death_share": ("慢性病占总死亡", "Chronic diseases in all deaths"),
    "elderly_with_chronic_disease": ("患慢性病的老年人", "Elderly people with a chronic disease"),
    "le_500k": ("≤50 万元", "up to CNY 0.5 m"),
    "500k_5m": ("50–500 万元", "CNY 0.5 m to 5 m"),
    "5m_20m": ("500–2000 万元", "CNY 5 m to 20 m"),
    "gt_20m": (">2000 万元", "over CNY 20 m"),
    "unknown": ("未知", "unknown"),
    "percent": ("%", "%"),
    "percent of hospitals": ("% 的医院", "% of hospitals"),
    "100 million visits": ("亿人次", "100 million visits"),
    "visits per person": ("次/人", "visits per person"),
    "100 million people": ("亿人", "100 million people"),
    "days": ("天", "days"),
    "low": ("低", "low"),
    "medium": ("中", "medium"),
    "high": ("高", "high"),
}

_ABSENT = "–"

# Beyond this a double has no places after the point.
_WHOLE = 2.0**52

# Shares that differ from all by less are all: they were added up.
_NOTHING = 1e-9


class Words:
    """What a page says in one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._place = 0 if language == "zh" else 1

    def __call__(self, zh: str, en: str) -> str:
        """One of two texts."""
        return (zh, en)[self._place]

    def term(self, code: Any) -> str:
        """What a code of the tables is called; the code itself where it has no name here."""
        if code is None:
            return _ABSENT
        pair = _TERMS.get(str(code))
        return pair[self._place] if pair else str(code)

    def name(self, row: dict[str, Any] | None, stem: str = "name") -> str:
        """The name in a row, in this language or, where that is not given, in the other."""
        if row is None:
            return _ABSENT
        own, other = row.get(f"{stem}_{self.language}"), row.get(f"{stem}_{'en' if self.language == 'zh' else 'zh'}")
        return own or other or _ABSENT


def number(value: float | None, decimals: int = 1) -> str:
    """A figure with so many decimals and its thousands apart; a dash where there is none.

    It is rounded as the published tables round: half away from zero.
    """
    if value is None or not math.isfinite(value):
        return _ABSENT
    scaled = abs(value) * 10**decimals
    if scaled < _WHOLE:
        value = math.copysign(math.floor(scaled + 0.5) / 10**decimals, value)
    text = f"{value:,.{decimals}f}"
    # No score is below nothing by a rounding alone.
    return text.removeprefix("-") if not float(text.replace(",", "")) else text.replace("-", "−")


def percent(share: float | None, decimals: int = 0) -> str:
    """A share as a percentage; one that is nearly all or nearly nothing does not read as all or nothing."""
    if share is None:
        return _ABSENT
    if abs(share - round(share)) < _NOTHING:
        share = round(share)
    text = number(100 * share, decimals)
    step = 10**-decimals
    if share < 1 and text == number(100, decimals):
        return f">{number(100 - step, decimals)} %"
    if share > 0 and text == number(0, decimals):
        return f"<{number(step, decimals)} %"
    return f"{text} %"


def signed(value: float | None, decimals: int = 1) -> str:
    """A difference with its sign."""
    text = number(value, decimals)
    return text if value is None or value <= 0 or not float(text.replace(",", "")) else f"+{text}"


def wrapped(text: str, width: int) -> str:
    """A text cut into lines of about the same length, none much wider than so many Latin characters, with ``|`` between
    them."""
    pieces = _pieces(text.replace("|", "/"))
    count = max(1, math.ceil(sum(map(_size, pieces)) / width))
    even = sum(map(_size, pieces)) / count
    lines = [""]
    used = 0
    for piece in pieces:
        # A line ends where the next piece would carry it further beyond its share than it now falls short of it.
        if lines[-1] and len(lines) < count and used + _size(piece) / 2 > even * len(lines):
            lines.append("")
        lines[-1] += piece
        used += _size(piece)
    return "|".join(line.strip() for line in lines)


def _size(text: str) -> int:
    """The width of a text in Latin characters."""
    return sum(2 if ord(character) > 0x2E80 else 1 for character in text)


def _pieces(text: str) -> list[str]:
    """Where a line may break: after a space or a hyphen, and beside any Chinese character."""
    pieces = [""]
    for character in text:
        if ord(character) > 0x2E80:
            pieces += [character, ""]
        else:
            pieces[-1] += character
            if character in " -":
                pieces.append("")
    return [piece for piece in pieces if piece]
