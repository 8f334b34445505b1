{#- The sentence that stands beside every score made from reconstructed observations or assumed weights. -#}
{% macro data_notice(provenance, assumed_weight_share, language) -%}
    {%- if language == 'zh' -%}
        {%- set reconstructed = '观测值为重建数据，并非报告作者的原始数据。' -%}
        {%- set mixed = '部分观测值为重建或推导数据。' -%}
        {%- set assumed = '部分权重为本项目假设，报告未予公布。' -%}
    {%- else -%}
        {%- set reconstructed = "Reconstructed observations, not the authors' data. " -%}
        {%- set mixed = 'Observations of mixed provenance, some of them reconstructed or derived. ' -%}
        {%- set assumed = 'Some weights are assumptions of this project, not printed in the report.' -%}
    {%- endif -%}
    nullif(
        trim(
            concat(
                case
                    when {{ provenance }} = 'reconstructed' then '{{ reconstructed | replace("'", "''") }}'
                    when {{ provenance }} = 'mixed' then '{{ mixed }}'
                    else ''
                end,
                case when {{ assumed_weight_share }} > 0 then '{{ assumed }}' else '' end
            )
        ),
        ''
    )
{%- endmacro %}
