{#- How indicators go together: correlations, ranks for them, consistency of a group.

    Sums are taken of places in 0..1, as in moments.sql: a correlation does not change with unit or origin. -#}

{#- Pearson's correlation, from sums of the squares and of the products of deviations from the means; null for too few
    cities, or where one side has no spread. The bounds hold off the last bit of the root. -#}
{% macro pearson(city_count, product_sum, square_sum, other_square_sum) -%}
    case
        when {{ city_count }} >= {{ var('correlation_least_cities') }} and {{ square_sum }} * {{ other_square_sum }} > 0
            then least(greatest({{ product_sum }} / sqrt({{ square_sum }} * {{ other_square_sum }}), -1), 1)
    end
{%- endmacro %}

{#- How far an ascending rank lies from the mean of all ranks, where ties share the mean of their places: of the first
    one, which is rank(), and the last one, which is the count of all up to the tie. A multiple of a half, so that sums
    are exact. Spearman's correlation is Pearson's of these. -#}
{% macro rank_deviation(order_column, partition_by) -%}
    (
        rank() over (partition by {{ partition_by }} order by {{ order_column }})
        + count(*) over (partition by {{ partition_by }} order by {{ order_column }})
        - count(*) over (partition by {{ partition_by }})
        - 1
    ) / cast(2 as double)
{%- endmacro %}

{#- Cronbach's alpha: how much of the variance of the sum of the children is what they share. Cronbach (1951); OECD/JRC
    Handbook on Constructing Composite Indicators (2008), section 4. -#}
{% macro cronbach_alpha(child_count, variance_sum, variance_of_sum) -%}
    case
        when {{ child_count }} > 1 and {{ variance_of_sum }} > 0
            then
                {{ child_count }} / cast({{ child_count }} - 1 as double)
                * (1 - {{ variance_sum }} / {{ variance_of_sum }})
    end
{%- endmacro %}

{#- How much of what moves a parent is this child: its squared correlation with the parent as a share of those of all
    siblings that have one, held off the last bit of their sum. The linear version of the correlation ratios of Paruolo,
    Saisana and Saltelli (2013). -#}
{% macro importance_share(parent_correlation, partition_by) -%}
    {%- set square = parent_correlation ~ ' * ' ~ parent_correlation -%}
    case
        when {{ parent_correlation }} is not null and {{ stable_sum(square, partition_by) }} > 0
            then least({{ square }} / {{ stable_sum(square, partition_by) }}, 1)
    end
{%- endmacro %}
