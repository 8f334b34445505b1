-- The tables fct_indicator_scores and fct_city_scores of a generated index, from its landed Parquet, by hand.
-- Codes are replaced by small numbers at once, and come back at the end. The marks in braces are folders of raw/.

create temp table nodes as
with shared as (
    select
        *,
        weight / sum(weight) over (partition by edition, parent_code) as share
    from read_parquet('{frameworks}')
)
select
    cast(row_number() over (order by shared.edition, shared.indicator_code) as integer) as node,
    shared.index_code,
    shared.edition,
    shared.indicator_code,
    shared.parent_code,
    shared.share,
    shared.normalisation,
    shared.direction,
    shared.norm_low,
    shared.norm_high
from shared;

create temp table tree as
select
    nodes.*,
    parents.node as parent,
    case
        when parents.node is null then 0
        when parents.parent_code is null then 1
        when nodes.normalisation is null then 2
        else 3
    end as level
from nodes
left join nodes as parents
    on nodes.edition = parents.edition and nodes.parent_code = parents.indicator_code;

create temp table places as
select
    cast(row_number() over () as integer) as city,
    city_code,
    coalesce(province_zh, province_en) as province
from read_parquet('{cities}');

create temp table cells as
select
    places.city,
    tree.node,
    tree.direction * observations.value as directed_value,
    observations.provenance
from read_parquet('{observations}') as observations
inner join tree
    on observations.edition = tree.edition and observations.indicator_code = tree.indicator_code
inner join places
    on observations.city_code = places.city_code;

create temp table bounds as
select
    node,
    min(directed_value) as least,
    max(directed_value) as greatest
from cells
group by node;

-- Every city of an edition meets each of its leaves, observed or not.
create temp table leaves as
with edition_cities as (
    select distinct tree.edition, cells.city
    from cells
    inner join tree on cells.node = tree.node
),
placed as (
    select
        edition_cities.city,
        tree.node,
        tree.parent,
        tree.share,
        tree.normalisation,
        tree.direction,
        tree.norm_low,
        tree.norm_high,
        bounds.least,
        bounds.greatest,
        cells.directed_value,
        cells.provenance
    from edition_cities
    inner join tree
        on edition_cities.edition = tree.edition and tree.level = 3
    left join bounds on tree.node = bounds.node
    left join cells on edition_cities.city = cells.city and tree.node = cells.node
)
select
    city,
    node,
    parent,
    share,
    provenance,
    case
        when directed_value is null then null
        when normalisation = 'score' then case when direction < 0 then 100 + directed_value else directed_value end
        when normalisation = 'min_max' and greatest > least then 100 * ((directed_value - least) / (greatest - least))
        when normalisation = 'goalposts' and direction > 0
            then 100 * least(greatest((directed_value - norm_low) / (norm_high - norm_low), 0), 1)
        when normalisation = 'goalposts'
            then 100 * (1 - least(greatest((-directed_value - norm_low) / (norm_high - norm_low), 0), 1))
    end as score
from placed;

create temp table secondaries as
select
    leaves.city,
    leaves.parent as node,
    tree.parent,
    tree.share,
    sum(leaves.share * leaves.score) / nullif(sum(leaves.share) filter (where leaves.score is not null), 0) as score,
    sum(leaves.share) filter (where leaves.score is not null) as used_share,
    count(leaves.score) / count(*) as child_coverage_share,
    coalesce(sum(leaves.share) filter (where leaves.provenance is not null), 0) / sum(leaves.share)
        as weighted_coverage_share,
    count(*) as leaf_count,
    count(leaves.provenance) as observed_count
from leaves
inner join tree on leaves.parent = tree.node
group by leaves.city, leaves.parent, tree.parent, tree.share;

create temp table primaries as
select
    secondaries.city,
    secondaries.parent as node,
    tree.parent,
    tree.share,
    sum(secondaries.share * secondaries.score)
    / nullif(sum(secondaries.share) filter (where secondaries.score is not null), 0) as score,
    sum(secondaries.share) filter (where secondaries.score is not null) as used_share,
    count(secondaries.score) / count(*) as child_coverage_share,
    sum(secondaries.share * secondaries.weighted_coverage_share) / sum(secondaries.share) as weighted_coverage_share,
    sum(leaf_count) as leaf_count,
    sum(observed_count) as observed_count
from secondaries
inner join tree on secondaries.parent = tree.node
group by secondaries.city, secondaries.parent, tree.parent, tree.share;

create temp table totals as
select
    city,
    parent as node,
    sum(share * score) / nullif(sum(share) filter (where score is not null), 0) as score,
    sum(share) filter (where score is not null) as used_share,
    count(score) / count(*) as child_coverage_share,
    sum(share * weighted_coverage_share) / sum(share) as weighted_coverage_share,
    sum(leaf_count) as leaf_count,
    sum(observed_count) as observed_count
from primaries
group by city, parent;

-- What one point of a node's score is worth of the total. Below a parent without a score nothing counts.
create temp table primary_points as
select
    primaries.*,
    case
        when totals.score is null then null
        else primaries.share / totals.used_share
    end as points
from primaries
inner join totals on primaries.city = totals.city and primaries.parent = totals.node;

create temp table secondary_points as
select
    secondaries.*,
    case
        when primary_points.points is null then null
        when primary_points.score is null then 0
        else primary_points.points * secondaries.share / primary_points.used_share
    end as points
from secondaries
inner join primary_points on secondaries.city = primary_points.city and secondaries.parent = primary_points.node;

create table fct_indicator_scores as
with scores as (
    select
        city, node, 0 as level, score, score as contribution, observed_count / leaf_count as coverage_share,
        child_coverage_share, weighted_coverage_share, observed_count > 0 as is_observed
    from totals
    union all
    select
        city, node, 1, score, points * score, observed_count / leaf_count,
        child_coverage_share, weighted_coverage_share, observed_count > 0
    from primary_points
    union all
    select
        city, node, 2, score, points * score, observed_count / leaf_count,
        child_coverage_share, weighted_coverage_share, observed_count > 0
    from secondary_points
    union all
    select
        leaves.city, leaves.node, 3, leaves.score,
        case
            when secondary_points.points is null then null
            when secondary_points.score is null then 0
            else secondary_points.points * leaves.share / secondary_points.used_share
        end * leaves.score,
        if(leaves.provenance is null, 0, 1), null, if(leaves.provenance is null, 0, 1), leaves.provenance is not null
    from leaves
    inner join secondary_points on leaves.city = secondary_points.city and leaves.parent = secondary_points.node
),
ranked as (
    select
        *,
        rank() over (partition by node order by round(score, 9) desc nulls last) as place
    from scores
)
select
    tree.index_code,
    tree.edition,
    places.city_code,
    tree.indicator_code,
    ranked.level,
    ranked.score,
    cast(case when ranked.score is not null then ranked.place end as integer) as rank,
    ranked.contribution,
    case when ranked.contribution is not null then 'exact' end as contribution_method,
    cast(ranked.coverage_share as double) as coverage_share,
    cast(ranked.child_coverage_share as double) as child_coverage_share,
    cast(ranked.weighted_coverage_share as double) as weighted_coverage_share,
    false as is_imputed,
    case
        when ranked.score is not null then null
        when ranked.level < 3 then 'no_child'
        when ranked.is_observed then 'no_spread'
        else 'not_observed'
    end as missing_reason,
    case when ranked.is_observed then 'observed' end as provenance,
    cast(null as varchar) as rule_code,
    false as is_synthetic
from ranked
inner join tree on ranked.node = tree.node
inner join places on ranked.city = places.city;

create table fct_city_scores as
with placed as (
    select scores.*, places.province
    from fct_indicator_scores as scores
    inner join places on scores.city_code = places.city_code
    where scores.level = 0
),
ranked as (
    select
        *,
        rank() over (partition by edition, province order by round(score, 9) desc nulls last) as place
    from placed
)
select
    index_code,
    edition,
    city_code,
    score as total_score,
    rank as total_rank,
    cast(null as varchar) as tier_code,
    cast(null as varchar) as cluster_code,
    cast(case when score is not null and province is not null then place end as integer) as rank_in_province,
    cast(null as integer) as rank_in_cluster,
    cast(null as integer) as rank_in_tier,
    coverage_share,
    is_imputed,
    case
        when score is null then 'not_scored'
        when coverage_share < 1 then 'partial'
        else 'complete'
    end as status,
    provenance,
    is_synthetic
from ranked;
