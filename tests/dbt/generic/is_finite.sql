{#- Where there is a number it is finite. The bound is portable: NaN sorts above every number and infinity is above
    the bound, in every engine. -#}
{% test is_finite(model, column_name) %}

select *
from {{ model }}
where
    {{ column_name }} is not null
    and not abs({{ column_name }}) < 1e300

{% endtest %}
