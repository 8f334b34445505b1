{#- Text: how it is joined, cleaned and looked through for words. What belongs here is portable; what an engine says in
    its own way is dispatched. -#}

{#- Several rows' texts as one, in an order. -#}
{% macro joined_text(text, separator, order) -%}
    {{ return(adapter.dispatch('joined_text')(text, separator, order)) }}
{%- endmacro %}

{% macro default__joined_text(text, separator, order) -%}
    listagg({{ text }}, '{{ separator }}') within group (order by {{ order }})
{%- endmacro %}

{#- Text as words are looked for in it: full-width letters, digits and marks half width, lower case, without white space
    and marks that take no place. -#}
{% macro clean_text(text) -%}
    {%- set full = namespace(wide='', narrow='') -%}
    {%- for code in range(33, 127) if '%c' % code not in ("'", '\\') -%}
        {%- set full.wide = full.wide ~ ('%c' % (code + 65248)) -%}
        {%- set full.narrow = full.narrow ~ ('%c' % code) -%}
    {%- endfor -%}
    {%- set white = namespace(space='') -%}
    {%- for code in [9, 10, 11, 12, 13, 32, 160, 8203, 8204, 8205, 8288, 12288, 65279] -%}
        {%- set white.space = white.space ~ ('%c' % code) -%}
    {%- endfor -%}
    lower(translate({{ text }}, '{{ full.wide }}{{ white.space }}', '{{ full.narrow }}'))
{%- endmacro %}

{#- What titles are told apart by: without punctuation, without marks of reprints, without words that say nothing. Takes
    clean text; what nothing would be left of stays as it is. -#}
{% macro title_key(clean_text) -%}
    {%- set openings = '[{<【〔「『〈《“‘' -%}
    {%- set closings = ']}>】〕」』〉》”’' -%}
    {%- set marks = '()!"#$%&*,-./:;=?@^_`|~、。·…—–―‧•・¥￥！？；：，．' -%}
    {%- set key = namespace(sql="translate(" ~ clean_text ~ ", '" ~ openings ~ closings ~ "', '"
        ~ '(' * (openings | length) ~ ')' * (closings | length) ~ "')") -%}
    {%- for mark in var('evidence_reprint_marks') -%}
        {%- set key.sql = "replace(" ~ key.sql ~ ", '(" ~ mark ~ ")', '')" -%}
    {%- endfor -%}
    {%- set key.sql = "translate(" ~ key.sql ~ ", '" ~ marks ~ "', '')" -%}
    {%- for word in var('evidence_filler_words') -%}
        {%- set key.sql = "replace(" ~ key.sql ~ ", '" ~ word ~ "', '')" -%}
    {%- endfor -%}
    coalesce(nullif({{ key.sql }}, ''), {{ clean_text }})
{%- endmacro %}

{#- Every place in a text with the two characters that stand there: one row per row and place, with the columns of
    `key`, `text`, `position` and `pair`. -#}
{% macro character_pairs(relation, key, text) -%}
    {{ return(adapter.dispatch('character_pairs')(relation, key, text)) }}
{%- endmacro %}

{% macro default__character_pairs(relation, key, text) -%}
    select
        {{ key | join(', ') }},
        {{ text }},
        position,
        substr({{ text }}, position, 2) as pair
    from {{ relation }}
    lateral view explode(sequence(1, length({{ text }}) - 1)) as position
    where length({{ text }}) > 1
{%- endmacro %}
