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
    {%- set codes = [133, 160, 173, 6158, 8239, 8287, 12288, 65279] -%}
    {%- for code in [9, 10, 11, 12, 13, 32] + codes + range(8192, 8208) | list + range(8232, 8239) | list
        + range(8288, 8304) | list -%}
        {%- set white.space = white.space ~ ('%c' % code) -%}
    {%- endfor -%}
    lower(translate({{ text }}, '{{ full.wide }}{{ white.space }}', '{{ full.narrow }}'))
{%- endmacro %}

{#- What titles are told apart by: without punctuation, without marks of reprints, without words that say nothing. Takes
    clean text; what nothing would be left of stays as it is. -#}
{% macro title_key(clean_text) -%}
    {%- set openings = '[{<【〔「『〈《“‘' -%}
    {%- set closings = ']}>】〕」』〉》”’' -%}
    {#- Points, hyphens and the like stay: 2.0 is not 20. At the end of a title they say nothing. -#}
    {%- set marks = '()!"#$&*,:;=?@^_`|、。·…—–―‧•・¥￥！？；：，' -%}
    {%- set key = namespace(sql="translate(" ~ clean_text ~ ", '" ~ openings ~ closings ~ "', '"
        ~ '(' * (openings | length) ~ ')' * (closings | length) ~ "')") -%}
    {%- for mark in var('evidence_reprint_marks') -%}
        {%- set key.sql = "replace(" ~ key.sql ~ ", '(" ~ mark ~ ")', '')" -%}
    {%- endfor -%}
    {%- set key.sql = "translate(" ~ key.sql ~ ", '" ~ marks ~ "', '')" -%}
    {%- for word in var('evidence_filler_words') -%}
        {%- set key.sql = "replace(" ~ key.sql ~ ", '" ~ word ~ "', '')" -%}
    {%- endfor -%}
    coalesce(nullif(trim(trailing './-~了' from {{ key.sql }}), ''), {{ clean_text }})
{%- endmacro %}

{#- Every place in a text with the two characters that stand there: one row per row and place, with the columns of
    `key`, `piece`, `position` (in the piece) and `pair`. Texts are cut into pieces first, each with as much of the next
    one as the longest word takes: so a row never carries a long text, and the work grows with the length of a text and
    not with its square. -#}
{% macro character_pairs(relation, key, text) -%}
    {{ return(adapter.dispatch('character_pairs')(relation, key, text)) }}
{%- endmacro %}

{% macro default__character_pairs(relation, key, text) -%}
    {%- set size = var('evidence_piece_length') -%}
    select
        {{ key | join(', ') }},
        piece,
        position,
        substr(piece, position, 2) as pair
    from (
        select
            {{ key | join(', ') }},
            substr({{ text }}, 1 + {{ size }} * piece_number, {{ size + var('evidence_longest_word') }}) as piece
        from {{ relation }}
        lateral view explode(sequence(0, cast(floor((length({{ text }}) - 1) / {{ size }}) as int))) as piece_number
        where length({{ text }}) > 1
    )
    lateral view explode(sequence(1, least(length(piece), {{ size }}))) as position
{%- endmacro %}
