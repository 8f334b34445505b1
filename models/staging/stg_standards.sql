with

standards as (

    select * from {{ ref('standards') }}

),

final as (

    select
        standard_code,
        standard_version,
        nullif(trim(layer_code), '') as layer_code,
        name_zh,
        name_en,
        nullif(trim(document_number), '') as document_number,
        published_year,
        nullif(trim(scope_zh), '') as scope_zh,
        nullif(trim(scope_en), '') as scope_en,
        nullif(trim(note), '') as note
    from standards

)

select * from final
