{#- The sentence that stands beside every score of an edition in dim_editions. -#}
{% macro edition_notice(edition, language) -%}
    {{ data_notice(
        edition ~ '.is_synthetic', edition ~ '.reconstructed_share', edition ~ '.assumed_weight_share', language
    ) }}
{%- endmacro %}

{#- What has to be said of a score made from synthetic records, reconstructed observations or assumed weights. -#}
{% macro data_notice(is_synthetic, reconstructed_share, assumed_weight_share, language) -%}
    {%- if language == 'zh' -%}
        {%- set synthetic = '由虚构记录推算的示例，不反映任何城市或医院的实际情况。' -%}
        {%- set reconstructed = '观测值为重建数据，并非报告作者的原始数据。' -%}
        {%- set partly_reconstructed = '部分观测值为重建数据，并非报告作者的原始数据。' -%}
        {%- set assumed = '部分权重为假设值，并非来源所公布。' -%}
    {%- else -%}
        {%- set synthetic = 'A demonstration made from synthetic records; it says nothing of any city or hospital. ' -%}
        {%- set reconstructed = "Reconstructed observations, not the authors' data. " -%}
        {%- set partly_reconstructed = "Partly reconstructed observations, not the authors' data. " -%}
        {%- set assumed = 'Some weights are assumed, not printed in the source.' -%}
    {%- endif -%}
    nullif(
        trim(
            case when {{ is_synthetic }} then '{{ synthetic }}' else '' end
            || case
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
