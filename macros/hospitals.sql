{#- Hospitals. -#}

{#- What a hospital weighs by its beds: one whose beds are not known as the mean of the others it stands with; null
    where none are known. -#}
{% macro weight_by_beds(partition_by) -%}
    coalesce(cast(beds as double), avg(beds) over (partition by {{ partition_by | join(', ') }}))
{%- endmacro %}
