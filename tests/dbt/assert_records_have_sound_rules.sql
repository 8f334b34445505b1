-- The rules that make values from records name tertiaries, standards, grades and words that are there, and choose among
-- the formulas of their feed. A rule that named nothing would silently make nothing.

{{ config(meta={'dagster': {'ref': {'name': 'dim_derivation_rules'}}}) }}

with

rules as (

    select * from {{ ref('dim_derivation_rules') }}

),

evidence_rules as (

    select * from {{ ref('stg_evidence_rules') }}

),

evidence_words as (

    select * from {{ ref('stg_evidence_words') }}

),

leaves as (

    select distinct
        index_code,
        indicator_code
    from {{ ref('dim_indicators') }}
    where level = 3

),

grades as (

    select * from {{ ref('dim_standard_grades') }}

),

standards as (

    select * from {{ ref('dim_standards') }}

),

map_counts as (

    select
        cast(count(*) as int) as map_count,
        count(case when is_default then 1 end) as default_count
    from {{ ref('stg_grade_maps') }}

),

final as (

    select
        rules.rule_code,
        'names no tertiary of its index' as fault
    from rules
    left join leaves
        on
            rules.index_code = leaves.index_code
            and rules.indicator_code = leaves.indicator_code
    where leaves.indicator_code is null
    union all
    select
        rules.rule_code,
        'has a formula that its feed does not have' as fault
    from rules
    where
        (rules.feed = 'hospitals' and rules.formula not in ('mean_score', 'share_at_or_above'))
        or (rules.feed = 'evidence' and rules.formula <> 'best_stage')
    union all
    select
        rules.rule_code,
        'names no standard and version that are there' as fault
    from rules
    left join standards
        on
            rules.standard_code = standards.standard_code
            and rules.standard_version = standards.standard_version
    where
        rules.feed = 'hospitals'
        and standards.standard_code is null
    union all
    select
        rules.rule_code,
        'counts hospitals from a grade that is not there' as fault
    from rules
    left join grades
        on
            rules.standard_code = grades.standard_code
            and rules.standard_version = grades.standard_version
            and rules.least_grade = grades.grade
            and grades.is_default
    where
        rules.formula = 'share_at_or_above'
        and grades.grade is null
    union all
    select
        evidence_rules.rule_code,
        'sorts to no tertiary of any index' as fault
    from evidence_rules
    left join leaves
        on evidence_rules.indicator_code = leaves.indicator_code
    where leaves.indicator_code is null
    union all
    select
        evidence_rules.rule_code,
        'has no word that could be found' as fault
    from evidence_rules
    left join evidence_words
        on
            evidence_rules.rule_code = evidence_words.rule_code
            and evidence_words.role = 'any'
    where evidence_words.word is null
    union all
    select
        evidence_words.rule_code,
        'has a word that is not as words are looked for: ' || evidence_words.word as fault
    from evidence_words
    left join evidence_rules
        on evidence_words.rule_code = evidence_rules.rule_code
    where
        not length(evidence_words.word) between 2 and {{ var('evidence_longest_word') }}
        or {{ clean_text('evidence_words.word') }} <> evidence_words.word
        or evidence_rules.rule_code is null
        or evidence_words.role not in ('any', 'also', 'never')
    union all
    select
        'maps' as rule_code,
        'one map from grades to scores has to be the default, and one other' as fault
    from map_counts
    where
        map_count <> 2
        or default_count <> 1

)

select * from final
