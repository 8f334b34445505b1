{#- The sentence that stands beside every score made from reconstructed observations or assumed weights. -#}
{% macro data_notice(reconstructed_share, assumed_weight_share, language) -%}
    {%- if language == 'zh' -%}
        {%- set reconstructed = '观测值为重建数据，并非报告作者的原始数据。' -%}
        {%- set partly_reconstructed = '部分观测值为重建数据，并非报告作者的原始数据。' -%}
        {%- set assumed = '部分权重为假设值，并非来源所公布。' -%}
    {%- else -%}
        {%- set reconstructed = "Reconstructed observations, not the authors' data. " -%}
        {%- set partly_reconstructed = "Partly reconstructed observations, not the authors' data. " -%}
        {%- set assumed = 'Some weights are assumed, not printed in the source.' -%}
    {%- endif -%}
    nullif(
        trim(
            case
                when {{ reconstructed_share }} >= 1 then '{{ reconstructed | replace("'", "''") }}'
                when {{ reconstructed_share }} > 0 then '{{ partly_reconstructed | replace("'", "''") }}'
                else ''
            end
            || case when {{ assumed_weight_share }} > 0 then '{{ assumed }}' else '' end
        ),
        ''
    )
{%- endmacro %}

{#- What is said of one figure and what is said of its kind, one after the other. -#}
{% macro both_notes(note, kind_note) -%}
    coalesce({{ note }} || '; ' || {{ kind_note }}, {{ note }}, {{ kind_note }})
{%- endmacro %}
