{#- Where there is a value it lies between the two bounds, which themselves are allowed. -#}
{% test is_between(model, column_name, lowest, highest) %}

select *
from {{ model }}
where
    {{ column_name }} is not null
    and not {{ column_name }} between {{ lowest }} and {{ highest }}

{% endtest %}
